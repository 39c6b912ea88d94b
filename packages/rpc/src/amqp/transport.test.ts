import { connect } from 'amqplib';
import { describe, expect, test } from 'vitest';
import { call, cast, connectAmqp, createClient, defineContract, Empty, serve } from '../index.ts';
import { eventually } from '../testing/bench.ts';
import { openAmqpBench } from '../testing/benches.ts';
import { describeEverything } from '../testing/everything.ts';
import { Text } from '../testing/echo.ts';
import { testBroker } from '../testing/proxy.ts';
import { Topology } from './topology.ts';

let runs = 0;

describe.each(['classic', 'quorum'] as const)('the AMQP transport with %s queues', (queues) => {
  describeEverything(() => openAmqpBench(queues));
});

const contract = defineContract({
  topic: 'work',
  version: '1.0',
  methods: { ping: call({ since: '1.0', request: Empty, response: Empty }), note: cast({ since: '1.0', request: Text }) },
});

const host1 = { kind: 'server', exchange: contract.exchange, topic: contract.topic, server: 'host-1' } as const;

async function workplace(over: { note?: () => void } = {}) {
  const url = testBroker();
  const namespace = `test-${process.pid}-own-${++runs}`;
  const far = await connectAmqp({ url, service: 'far', id: '1', namespace, queues: 'classic', retryCapMs: 100 });
  const near = await connectAmqp({ url, service: 'near', id: '1', namespace, queues: 'classic', retryCapMs: 100 });
  await serve(far, contract, { ping: () => new Empty(), note: over.note ?? (() => undefined) }, { server: 'host-1' });
  const connection = await connect(url);
  const channel = await connection.createChannel();
  return {
    namespace,
    near,
    far,
    channel,
    client: createClient(near, contract),
    close: () => Promise.all([far.close(), near.close(), connection.close()]),
  };
}

test('what cannot be read, and a cast of a newer version, stand in the dead-letter queue with their reasons', async () => {
  const { namespace, near, channel, client, close } = await workplace();
  channel.publish(`${namespace}.internal.v2`, 'work.any', Buffer.from('not JSON'));
  await createClient(near, { ...contract, version: '1.1' }).note(Object.assign(new Text(), { text: 'newer' }));
  const reasons: string[] = [];
  await channel.consume(`${namespace}.dead.v2`, (message) => void reasons.push(String(message?.properties.headers?.['reason'])), {
    noAck: true,
  });
  await eventually(() => reasons.length === 2);
  expect(reasons.toSorted()).toEqual([
    'MalformedMessage: the message is not JSON',
    'UnsupportedVersion: work: the message is version 1.1, this server supports 1.0',
  ]);
  await client.ping(new Empty());
  await close();
});

test('queues that were deleted are declared again, and work goes on', async () => {
  const { namespace, channel, client, close } = await workplace();
  for (const queue of ['work', 'work.host-1', 'reply.near.1']) await channel.deleteQueue(`${namespace}.${queue}.v2`);
  const works = (ping: () => Promise<unknown>) =>
    ping().then(
      () => true,
      () => false,
    );
  await expect.poll(() => works(() => client.ping(new Empty(), { timeoutMs: 500 })), { timeout: 5_000 }).toBe(true);
  await expect.poll(() => works(() => client.at('host-1').ping(new Empty(), { timeoutMs: 500 })), { timeout: 5_000 }).toBe(true);
  await close();
});

test('an exchange that was deleted is there again for whoever sends to it, and bound by whoever comes back', async () => {
  const { namespace, far, channel, client, close } = await workplace();
  await client.ping(new Empty());
  await channel.deleteExchange(`${namespace}.internal.v2`);
  const outcome = () => client.ping(new Empty(), { timeoutMs: 500 }).catch(({ message }: Error) => message);
  await outcome();
  await expect.poll(outcome).toMatch(/nobody listens/);
  await far.renew();
  await client.ping(new Empty());
  await close();
});

test('whoever finds its exchange gone when it comes back declares it at the next attempt', async () => {
  const { namespace, far, channel, client, close } = await workplace();
  await channel.deleteExchange(`${namespace}.internal.v2`);
  await expect(far.renew()).rejects.toMatchObject({ code: 'Unreachable' });
  await far.renew();
  await client.ping(new Empty());
  await close();
});

test('nothing stays on the broker but the exchanges and the dead-letter queue', async () => {
  const { namespace, channel, client, close } = await workplace();
  await client.ping(new Empty());
  const consumers = async () => (await channel.checkQueue(`${namespace}.reply.near.1.v2`)).consumerCount;
  expect(await consumers()).toBe(1);
  await close();
  const connection = await connect(testBroker());
  for (const queue of ['work', 'work.host-1', 'reply.near.1', 'reply.far.1']) {
    const probe = await connection.createChannel();
    probe.on('error', () => undefined);
    await expect(probe.checkQueue(`${namespace}.${queue}.v2`)).rejects.toMatchObject({ code: 404 });
  }
  await connection.close();
});

test('queues of a process that is gone expire by themselves, of either kind', { timeout: 60_000 }, async () => {
  const connection = await connect(testBroker());
  for (const queues of ['classic', 'quorum'] as const) {
    const namespace = `test-${process.pid}-gone-${queues}`;
    const gone = await connectAmqp({ url: testBroker(), service: 'gone', id: '1', namespace, queues, unusedQueueMs: 1_000 });
    await serve(gone, contract, { ping: () => new Empty(), note: () => undefined }, { server: 'host-1', shared: false });
    const topology = new Topology(namespace, queues);
    // In a cluster answers have a queue of the connection, which nobody else may even ask for.
    const replies = queues === 'classic' ? [topology.reply('gone', '1').name] : [];
    const own = [...replies, topology.queue(host1, 'gone', '1').name];
    const there = (queue: string) =>
      connection.createChannel().then(async (channel) => {
        channel.on('error', () => undefined);
        return channel.checkQueue(queue).then(
          () => channel.close().then(() => true),
          () => false,
        );
      });
    for (const queue of own) expect(await there(queue)).toBe(true);
    await gone.close();
    // The broker looks for expired quorum queues once in a while only.
    for (const queue of own) await expect.poll(() => there(queue), { timeout: 25_000, interval: 250 }).toBe(false);
  }
  await connection.close();
});

test('a broker that does not open the virtual host is told so, and the log says which broker was asked, and as whom', async () => {
  const lines: object[] = [];
  const log = { debug: () => undefined, info: () => undefined, warn: (fields: object) => void lines.push(fields), error: () => undefined };
  const wrong = new URL(testBroker());
  wrong.pathname = '/no%2Fsuch';
  const opening = connectAmqp({ url: wrong.href, service: 'near', id: '1', queues: 'classic', log, startWaitMs: 200 });
  await expect(opening).rejects.toMatchObject({
    code: 'Unreachable',
    message: expect.stringMatching(/within 200 ms: the broker does not open the virtual host: /),
  });
  expect(lines[0]).toMatchObject({
    connection: 'near.1',
    host: wrong.hostname,
    port: Number(wrong.port || 5672),
    vhost: 'no/such',
    user: decodeURIComponent(wrong.username) || 'guest',
    reason: expect.stringContaining('it is not there or not for this account'),
  });
});

test('a refused account is told so at once, an absent broker after startWaitMs', async () => {
  const wrong = new URL(testBroker());
  wrong.password = 'wrong';
  await expect(connectAmqp({ url: wrong.href, service: 'near', id: '1', queues: 'classic' })).rejects.toMatchObject({
    code: 'NotAuthorized',
  });
  await expect(
    connectAmqp({ url: 'amqp://127.0.0.1:1', service: 'near', id: '1', queues: 'classic', startWaitMs: 200 }),
  ).rejects.toMatchObject({ code: 'Unreachable' });
});
