import { randomUUID } from 'node:crypto';
import { connect } from 'amqplib';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  connectOslo,
  createOsloNotifier,
  listenToOsloNotifications,
  type OsloListenOptions,
  type OsloNotification,
  type OsloTransport,
} from '../index.ts';
import { startTcpProxy } from '../../../../tests/support/tcp-proxy.ts';
import { systemClock } from '../environment.ts';
import { eventually } from '../testing/bench.ts';
import { testBroker } from '../testing/proxy.ts';
import { PRIORITIES } from './envelope.ts';
import { startPythonPeer, type PythonPeer } from './testing/python-peer.ts';

/** Of the control exchange and of the notifications' topic. */
let name: string;
let transport: OsloTransport;
let peer: PythonPeer | undefined;
const ends: (() => Promise<void>)[] = [];
const counts = new Map<string, number>();

beforeEach(async () => {
  name = `oslo-${randomUUID()}`;
  counts.clear();
  transport = await connectOslo({
    url: testBroker(),
    service: 'test',
    controlExchange: name,
    metrics: { count: (counter) => counts.set(counter, (counts.get(counter) ?? 0) + 1), duration: () => undefined },
  });
});

afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
  await transport.close();
  await peer?.close();
  peer = undefined;
  // As with oslo.messaging, the queues stay for listeners that may come again.
  const connection = await connect(testBroker());
  const channel = await connection.createChannel();
  for (const priority of PRIORITIES) await channel.deleteQueue(`${name}.${priority}`);
  for (const pool of ['a', 'b']) await channel.deleteQueue(`${name}-${pool}`);
  await channel.deleteExchange(name);
  await connection.close();
});

async function listen(heard: OsloNotification[], options: OsloListenOptions = {}) {
  const listener = await listenToOsloNotifications(transport, (notification) => void heard.push(notification), {
    topics: [name],
    ...options,
  });
  ends.push(() => listener.stop());
}

test('a Python listener gets our notifications, also those sent before it came', async () => {
  const notifier = createOsloNotifier(transport, { publisherId: 'compute.host-1', topics: [name] });
  await notifier.notify('info', 'instance.create.end', { uuid: 'i-1', memoryMb: 512 }, { remoteContext: { user_id: 'u-1' } });
  await notifier.notify('error', 'instance.create.error', { reason: 'Größe' });
  peer = await startPythonPeer(testBroker(), name);
  await peer.order('listen', { topic: name });
  const heard = () => (peer?.events ?? []).filter(({ event }) => event === 'notification');
  await eventually(() => heard().length === 2);
  expect(heard()).toEqual(
    expect.arrayContaining([
      expect.objectContaining({
        priority: 'info',
        publisher: 'compute.host-1',
        type: 'instance.create.end',
        payload: { uuid: 'i-1', memoryMb: 512 },
        user: 'u-1',
        time: expect.stringMatching(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}$/),
      }),
      expect.objectContaining({ priority: 'error', payload: { reason: 'Größe' } }),
    ]),
  );
});

test('our listener gets those of Python, with the envelope and without, of the priorities it asked for', async () => {
  const heard: OsloNotification[] = [];
  await listen(heard, { priorities: ['info', 'warn'] });
  peer = await startPythonPeer(testBroker(), name);
  const from = { topic: name, publisher: 'network.net-1', payload: { port: 'p-1' }, context: { user_id: 'u-2' } };
  await peer.order('notify', { ...from, priority: 'info', type: 'port.create.end' });
  await peer.order('notify', { ...from, priority: 'error', type: 'port.create.error' });
  await peer.order('notify', { ...from, priority: 'warn', type: 'port.old', driver: 'messaging' });
  await eventually(() => heard.length === 2);
  expect(heard.map(({ eventType, priority }) => [eventType, priority])).toEqual(
    expect.arrayContaining([
      ['port.create.end', 'info'],
      ['port.old', 'warn'],
    ]),
  );
  expect(heard[0]).toMatchObject({ publisherId: 'network.net-1', payload: { port: 'p-1' }, context: { user_id: 'u-2' } });
});

test('every pool gets all notifications, and the listeners of one pool share them', async () => {
  const [one, other, alone]: OsloNotification[][] = [[], [], []];
  await listen(one ?? [], { priorities: ['info'], pool: `${name}-a` });
  await listen(other ?? [], { priorities: ['info'], pool: `${name}-a` });
  await listen(alone ?? [], { priorities: ['info'], pool: `${name}-b` });
  const notifier = createOsloNotifier(transport, { publisherId: 'test.1', topics: [name] });
  for (let number = 0; number < 10; number++) await notifier.notify('info', 'tick', { number });
  const heard = () => [(one?.length ?? 0) + (other?.length ?? 0), alone?.length];
  await expect.poll(heard).toEqual([10, 10]);
});

test('a notification whose handler throws is handled again, up to its attempts, and holds up no other', async () => {
  const tries: string[] = [];
  const listener = await listenToOsloNotifications(
    transport,
    ({ eventType }) => {
      tries.push(eventType);
      if (eventType === 'bad') throw new Error('cannot');
    },
    { topics: [name], priorities: ['info'], attempts: 3, retryDelayMs: 20 },
  );
  ends.push(() => listener.stop());
  const notifier = createOsloNotifier(transport, { publisherId: 'test.1', topics: [name] });
  await notifier.notify('info', 'bad', null);
  await notifier.notify('info', 'good', null);
  await eventually(() => tries.length === 4);
  expect(tries.toSorted()).toEqual(['bad', 'bad', 'bad', 'good']);
  await eventually(() => counts.get('handler_errors') === 3);
});

test('what is no notification is dropped and counted, and the next is handled', async () => {
  const heard: OsloNotification[] = [];
  await listen(heard, { priorities: ['info'] });
  const connection = await connect(testBroker());
  const channel = await connection.createConfirmChannel();
  for (const body of ['nothing', '[]', '{"oslo.version":"3.0","oslo.message":"{}"}', '{"oslo.version":"2.0","oslo.message":"{}"}'])
    channel.publish(name, `${name}.info`, Buffer.from(body));
  await channel.waitForConfirms();
  await connection.close();
  await createOsloNotifier(transport, { publisherId: 'test.1', topics: [name] }).notify('info', 'good', null);
  await eventually(() => heard.length === 1 && counts.get('refused') === 4);
  expect(heard[0]?.eventType).toBe('good');
});

test('a listener that cannot have one of its queues takes nothing from the others', async () => {
  const connection = await connect(testBroker());
  const channel = await connection.createChannel();
  await channel.assertQueue(`${name}.error`, { durable: true });
  await expect(listen([], { priorities: ['info', 'error'] })).rejects.toThrow(/PRECONDITION_FAILED/);
  expect((await channel.checkQueue(`${name}.info`)).consumerCount).toBe(0);
  await connection.close();
  await expect(listen([], { concurrency: Number.POSITIVE_INFINITY })).rejects.toThrow('concurrency: expected at most 65535, got Infinity');
});

test('a notification that waits for another attempt when the connection breaks is handled as it comes again, and not besides', async () => {
  const proxy = await startTcpProxy(testBroker());
  let waited = () => {};
  const wait = new Promise<void>((resolve) => (waited = resolve));
  const RETRY_MS = 54_321;
  const clock = { ...systemClock, sleep: (ms: number, signal?: AbortSignal) => (ms === RETRY_MS ? wait : systemClock.sleep(ms, signal)) };
  const far = await connectOslo({ url: proxy.through(testBroker()), service: 'far', controlExchange: name, clock, retryBaseMs: 20 });
  let handled = 0;
  const handle = () => {
    if (++handled === 1) throw new Error('not yet');
  };
  const listener = await listenToOsloNotifications(far, handle, { topics: [name], priorities: ['info'], retryDelayMs: RETRY_MS });
  await createOsloNotifier(transport, { publisherId: 'p', topics: [name] }).notify('info', 'x', {});
  await eventually(() => handled === 1);
  proxy.fail('cut');
  proxy.mend();
  await eventually(() => handled === 2);
  waited();
  await listener.stop();
  expect(handled).toBe(2);
  await far.close();
  await proxy.stop();
});
