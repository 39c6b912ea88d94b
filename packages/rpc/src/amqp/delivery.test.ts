// What only a broker can show about delivery: full queues, and messages that kill whoever takes them.
import { connect } from 'amqplib';
import { expect, test } from 'vitest';
import {
  Busy,
  call,
  cast,
  connectAmqp,
  createClient,
  defineContract,
  listDeadLetters,
  requeueDeadLetters,
  serve,
  type RpcError,
} from '../index.ts';
import { eventually } from '../testing/bench.ts';
import { Text, text } from '../testing/echo.ts';
import { testBroker } from '../testing/proxy.ts';
import { Topology } from './topology.ts';

let runs = 0;
const url = testBroker();

const contract = (queues: 'classic' | 'quorum') =>
  defineContract({
    topic: 'work',
    version: '1.0',
    delivery: { queues, confirm: true },
    methods: { ask: call({ since: '1.0', request: Text, response: Text }), job: cast({ since: '1.0', request: Text }) },
  });

/** A connection by hand beside ours, in names of their own. */
async function place(queues: 'classic' | 'quorum') {
  const namespace = `test-${process.pid}-delivery-${++runs}`;
  const near = await connectAmqp({ url, service: 'near', id: '1', namespace, queues: 'classic' });
  const connection = await connect(url);
  const channel = await connection.createChannel();
  const topology = new Topology(namespace, 'classic');
  const queue = topology.queue({ kind: 'topic', exchange: 'internal', topic: 'work', queues }, 'far', '1');
  return { namespace, near, channel, topology, queue, close: () => Promise.all([near.close(), connection.close()]) };
}

test('a confirmed call to a full queue fails at once as busy, not at its deadline', async () => {
  const { near, channel, topology, queue, close } = await place('classic');
  const options = { ...queue.options, arguments: { ...queue.options.arguments, 'x-max-length': 1 } };
  await channel.assertQueue(queue.name, options);
  await channel.bindQueue(queue.name, topology.exchange('internal'), queue.key);
  await channel.prefetch(1);
  let taken = 0;
  await channel.consume(queue.name, () => void taken++); // takes one, and never ends it
  const client = createClient(near, contract('classic'));
  const inHand = client.ask(text('in hand'), { timeoutMs: 30_000 }).catch((error: unknown) => error);
  await eventually(() => taken === 1);
  const inQueue = client.ask(text('in the queue'), { timeoutMs: 30_000 }).catch((error: unknown) => error);
  await expect.poll(async () => (await channel.checkQueue(queue.name)).messageCount, { timeout: 5_000 }).toBe(1);
  const start = performance.now();
  await expect(client.ask(text('one too many'), { timeoutMs: 30_000 })).rejects.toBeInstanceOf(Busy);
  await expect(client.job(text('one too many'))).rejects.toBeInstanceOf(Busy);
  expect(performance.now() - start).toBeLessThan(10_000);
  await close();
  await Promise.all([inHand, inQueue]);
});

test('what a broker may have taken is not called unreachable because of an exchange that is gone', async () => {
  const { near, channel, topology, queue, close } = await place('classic');
  await channel.assertQueue(queue.name, { ...queue.options, durable: true });
  await channel.bindQueue(queue.name, topology.exchange('internal'), queue.key);
  await channel.deleteExchange(topology.exchange('events'));
  const sent = (exchange: 'internal' | 'events', body: string) =>
    near.sendConfirmed({ ...{ exchange, key: queue.key, body: Buffer.from(body) }, mandatory: false }).then(
      () => 'confirmed',
      (error: unknown) => (error as RpcError).code,
    );
  await sent('internal', 'opens the channel');
  const outcomes = await Promise.all([...Array.from({ length: 20 }, (_, at) => sent('internal', `${at}`)), sent('events', 'nowhere')]);
  expect(outcomes.at(-1)).toBe('Unreachable');
  expect(outcomes.slice(0, -1)).not.toContain('Unreachable');
  // All of them are there, whatever the broker came to say of it.
  await expect.poll(async () => (await channel.checkQueue(queue.name)).messageCount, { timeout: 5_000 }).toBe(21);
  await close();
});

test('a cast on a quorum queue that nobody survives is put aside with the reason, and can be sent again', async () => {
  const { namespace, near, channel, queue, close } = await place('quorum');
  await channel.assertExchange(`${namespace}.internal.v2`, 'direct', { durable: true });
  await channel.assertQueue(queue.name, queue.options);
  await channel.bindQueue(queue.name, `${namespace}.internal.v2`, queue.key);
  let deliveries = 0;
  const { consumerTag } = await channel.consume(queue.name, (message) => {
    deliveries++;
    if (message !== null) channel.nack(message, false, true); // as the broker does for a server that died
  });
  const client = createClient(near, contract('quorum'));
  await client.job(text('poison'));
  const source = { url, namespace };
  await expect
    .poll(async () => (await listDeadLetters(source)).map(({ reason }) => reason), { timeout: 10_000 })
    .toEqual([`delivery_limit in ${queue.name}`]);
  expect(deliveries).toBeGreaterThanOrEqual(5);
  await channel.cancel(consumerTag);
  const seen: string[] = [];
  const far = await connectAmqp({ url, service: 'far', id: '1', namespace, queues: 'classic' });
  await serve(far, contract('quorum'), { ask: (_context, request) => request, job: (_context, request) => void seen.push(request.text) });
  expect((await requeueDeadLetters(source, () => true)).requeued).toHaveLength(1);
  await eventually(() => seen.length === 1);
  expect(seen).toEqual(['poison']);
  await far.close();
  await close();
});
