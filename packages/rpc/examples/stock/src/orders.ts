import { setTimeout as sleep } from 'node:timers/promises';
import { connectAmqp, createClient, RpcError, ServiceError } from '@kilonova/rpc';
import { stockContract } from './contract.js';

const url = process.env['AMQP_URL'] ?? 'amqp://guest:guest@localhost:5672';
const rounds = Number(process.argv[2] ?? Number.POSITIVE_INFINITY);

const transport = await connectAmqp({ url, namespace: 'shop', service: 'orders', id: `orders-${process.pid}`, queues: 'classic' });
const stock = createClient(transport, stockContract);

for (let round = 1; round <= rounds; round++) {
  try {
    await order(round);
  } catch (error) {
    if (!(error instanceof RpcError)) throw error;
    console.log(`order ${round}: ${error.code}: ${error.message}`); // Unreachable while no stock runs
  }
  if (round < rounds) await sleep(1_000);
}
await transport.close();

async function order(round: number): Promise<void> {
  try {
    const { left } = await stock.reserve({ item: 'apple', count: 2, note: `order ${round}` });
    console.log(`order ${round}: reserved, ${left} left`);
  } catch (error) {
    if (!(error instanceof ServiceError && error.code === 'sold_out')) throw error;
    console.log(`order ${round}: ${error.message}; on the shelf are`);
    for await (const items of stock.list({ name: 'front' })) for (const { item, count } of items) console.log(`  ${count} of ${item}`);
    await stock.putBack({ item: 'apple', count: 4, note: null });
  }
}
