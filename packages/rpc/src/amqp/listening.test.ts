import { randomUUID } from 'node:crypto';
import { connect as connectRaw, type Channel, type ChannelModel } from 'amqplib';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { startTcpProxy, type TcpProxy } from '../../../../tests/support/tcp-proxy.ts';
import { connectAmqp, createClient, RpcError, serve, type AmqpOptions, type Transport } from '../index.ts';
import { eventually, tally } from '../testing/bench.ts';
import { echoContract, echoHandlers, text } from '../testing/echo.ts';
import { testBroker } from '../testing/proxy.ts';
import { Topology } from './topology.ts';

/** What is listened to while the connection is renewed, of which the former or the later can be held up. */
const contract = echoContract('listening');
const { exchange } = contract;
let runs = 0;
let topology: Topology;
let proxy: TcpProxy;
let connection: ChannelModel;
let channel: Channel;
const opened: Transport[] = [];

beforeEach(async () => {
  topology = new Topology(`listening-${process.pid}-${++runs}`, 'classic');
  proxy = await startTcpProxy(testBroker());
  connection = await connectRaw(testBroker());
  channel = await connection.createChannel();
});
afterEach(async () => {
  proxy.mend();
  for (const transport of opened.splice(0)) await transport.close();
  await proxy.stop();
  await connection.close();
});

/** By these addresses in this order. */
async function connect(urls: readonly string[], options: Partial<AmqpOptions> = {}): Promise<Transport> {
  const random = { next: () => 0, uuid: () => randomUUID() };
  const { namespace } = topology;
  const transport = await connectAmqp({ urls, service: 'far', id: '1', namespace, queues: 'classic', random, ...options });
  opened.push(transport);
  return transport;
}

const listen = (transport: Transport, topic: string) => transport.listen({ kind: 'topic', exchange, topic }, 1, () => undefined);
const nameOf = (topic: string) => topology.queue({ kind: 'topic', exchange, topic }, 'far', '1').name;
const consumersOf = async (topic: string) => (await channel.checkQueue(nameOf(topic))).consumerCount;

test('a queue that was about to be listened to when the connection was renewed is listened to once, until that is closed', async () => {
  const metrics = tally();
  const far = await connect([proxy.through(testBroker()), testBroker()], { metrics });
  proxy.fail('hold');
  const listening = listen(far, 'work');
  const renewed = far.renew();
  await eventually(() => metrics.counted('renewals') === 1);
  proxy.mend();
  const listener = await listening;
  await renewed;
  await expect.poll(() => consumersOf('work')).toBe(1);
  await channel.consume(nameOf('work'), () => undefined); // so that it stays
  await listener.close();
  await expect.poll(() => consumersOf('work')).toBe(1);
});

test('after a renewal that failed half way, whatever was listened to can be closed', async () => {
  await connect([testBroker()], { service: 'steward' }); // for the exchanges
  for (const name of [topology.reply('far', '1').name, nameOf('work'), nameOf('gone')])
    await channel.assertQueue(name, { expires: 60_000 });
  const far = await connect([testBroker(), proxy.through(testBroker())], { steward: true });
  const [listener] = await Promise.all([listen(far, 'work'), listen(far, 'gone')]);
  await channel.deleteQueue(nameOf('gone')); // nobody declares it again, so its consumer waits on either connection
  const renewed = far.renew().catch((error: unknown) => error);
  await expect.poll(() => consumersOf('work')).toBe(2);
  proxy.fail('cut');
  expect(await renewed).toBeInstanceOf(RpcError);
  await expect.poll(() => consumersOf('work')).toBe(1);
  await listener.close();
  await expect.poll(() => consumersOf('work')).toBe(0);
});

test('what a stopping server has in hand is finished although its connection is renewed meanwhile', async () => {
  const metrics = tally();
  const far = await connect([testBroker()], { metrics });
  const other = await connect([testBroker()], { id: '2' });
  const handled: string[] = [];
  const begin = (on: Transport, name: string, note: () => Promise<void> | void) => {
    const noting = { note: (_context: unknown, { text: what }: { readonly text: string }) => (handled.push(`${name} ${what}`), note()) };
    return serve(on, contract, echoHandlers(new Set(), noting), { graceMs: 60_000 });
  };
  let release = () => {};
  const stopping = await begin(far, 'first', () => new Promise((resolve) => (release = resolve)));
  const client = createClient(await connect([testBroker()], { service: 'near' }), contract);
  await client.note(text('long'));
  await eventually(() => handled.length === 1);
  await begin(other, 'second', () => undefined);
  const stopped = stopping.stop();
  await expect.poll(() => consumersOf(contract.topic)).toBe(1);
  const renewed = far.renew();
  await eventually(() => metrics.counted('renewals') === 1);
  const later = Array.from({ length: 50 }, (_, index) => String(index));
  for (const each of later) await client.note(text(each)); // time enough to hand back what should not be
  release();
  await Promise.all([renewed, stopped]);
  await eventually(() => handled.length > later.length);
  expect(handled).toEqual(['first long', ...later.map((each) => `second ${each}`)]);
});
