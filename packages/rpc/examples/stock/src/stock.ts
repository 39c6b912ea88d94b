import { once } from 'node:events';
import { connectAmqp } from '@kilonova/rpc';
import { serveStock } from './serve-stock.js';

const url = process.env['AMQP_URL'] ?? 'amqp://guest:guest@localhost:5672';
const onShelf = new Map([
  ['apple', 5],
  ['pear', 100],
]);

const transport = await connectAmqp({ url, namespace: 'shop', service: 'stock', id: `stock-${process.pid}`, queues: 'classic' });
const server = await serveStock(transport, onShelf, console.log);
console.log('stock is open');

await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
await server.stop(); // what is in hand is finished first
await transport.close();
