import { connect, type Channel, type ChannelModel } from 'amqplib';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { startTcpProxy } from '../../../../tests/support/tcp-proxy.ts';
import {
  connectOslo,
  createOsloClient,
  osloEndpoint,
  serveOslo,
  type OsloHandlers,
  type OsloOptions,
  type OsloServeOptions,
  type OsloTransport,
} from '../index.ts';
import { eventually } from '../testing/bench.ts';
import { testBroker } from '../testing/proxy.ts';
import { workContract } from './testing/contract.ts';

/** Messages that are the first on their connection, or the last. */
let topic: string;
let runs = 0;
let connection: ChannelModel;
let channel: Channel;
const opened: OsloTransport[] = [];

beforeEach(async () => {
  topic = `oslo-connections-${process.pid}-${++runs}`;
  connection = await connect(testBroker());
  channel = await connection.createChannel();
});

afterEach(async () => {
  await Promise.all(opened.splice(0).map((one) => one.close()));
  for (const queue of [topic, `${topic}.s-1`]) await channel.deleteQueue(queue);
  await channel.deleteExchange(topic);
  await connection.close();
});

async function connectHere(over: Partial<OsloOptions> = {}): Promise<OsloTransport> {
  const retries = { retryBaseMs: 20, retryCapMs: 200 };
  const transport = await connectOslo({ url: testBroker(), service: 'test', controlExchange: topic, ...retries, ...over });
  opened.push(transport);
  return transport;
}

type Work = OsloHandlers<ReturnType<typeof workContract>>;
async function serveHere(transport: OsloTransport, handlers: Partial<Work>, options: Partial<OsloServeOptions> = {}) {
  const endpoint = osloEndpoint(workContract(topic), { run: () => 'done', note: () => undefined, ...handlers });
  return serveOslo(transport, [endpoint], { server: 's-1', ...options });
}

test('a call whose connection breaks before it has left goes out with the next one', async () => {
  const proxy = await startTcpProxy(testBroker());
  const near = await connectHere({ url: proxy.through(testBroker()) });
  await serveHere(await connectHere(), {});
  const client = createOsloClient(near, workContract(topic));
  proxy.fail('hold');
  const first = client.run({ text: 'x' }); // its reply queue is being declared
  proxy.fail('cut');
  proxy.mend();
  expect(await first).toBe('done');
  const other = createOsloClient(near, { ...workContract(topic), exchange: `${topic}-other` });
  proxy.fail('hold');
  const second = other.run({ text: 'x' }); // its exchange is
  proxy.fail('cut');
  proxy.mend();
  await expect(second).rejects.toMatchObject({ code: 'Unreachable' }); // by the broker: nobody listens there
  await channel.deleteExchange(`${topic}-other`);
  await near.close();
  await proxy.stop();
});

test('when its transport is closed a call ends at once, whether it may be repeated, has left, or not', async () => {
  const proxy = await startTcpProxy(testBroker());
  const near = await connectHere({ url: proxy.through(testBroker()), connectWaitMs: 30_000 });
  let running = 0;
  await serveHere(await connectHere(), { run: () => (running++, new Promise(() => undefined)) }, { graceMs: 0 });
  const { run, note } = workContract(topic).methods;
  const client = createOsloClient(near, { ...workContract(topic), methods: { run: { ...run, idempotent: true }, note } });
  const sent = client.run({ text: 'x' }).catch((error: unknown) => error);
  await eventually(() => running === 1);
  await near.close();
  expect(await sent).toMatchObject({ code: 'ConnectionLost' });
  const other = await connectHere({ url: proxy.through(testBroker()), connectWaitMs: 30_000 });
  proxy.fail('cut');
  await eventually(() => !other.connected);
  const waiting = createOsloClient(other, workContract(topic))
    .run({ text: 'x' })
    .catch((error: unknown) => error);
  await other.close();
  expect(await waiting).toMatchObject({ code: 'Unreachable', message: 'this transport is closed' });
  await proxy.stop();
});

test('any number of messages may be the first to an exchange, or to all servers', { timeout: 60_000 }, async () => {
  const notes: string[] = [];
  const transport = await connectHere({ maxCalls: 3_000 });
  const other = { ...workContract(topic), exchange: `${topic}-other` };
  const handlers = { run: () => 'done', note: (_context: unknown, { text }: { text: string }) => void notes.push(text) };
  await serveOslo(await connectHere(), [osloEndpoint(other, handlers)], { server: 's-1', overloadLimit: 5_000 });
  const many = <T>(act: (index: number) => Promise<T>) => Promise.all(Array.from({ length: 2_500 }, (_, index) => act(index)));
  const { run, note } = other.methods;
  const client = createOsloClient(transport, other);
  const all = createOsloClient(transport, { ...other, methods: { run, note: { ...note, kind: 'fanout' as const } } });
  await many((index) => client.note({ text: String(index) }));
  await many((index) => all.note({ text: String(index) }));
  await eventually(() => notes.length === 5_000);
  const caller = createOsloClient(await connectHere({ maxCalls: 3_000 }), other);
  expect(new Set(await many(() => caller.run({ text: 'x' })))).toEqual(new Set(['done']));
  await channel.deleteExchange(`${topic}-other`);
});
