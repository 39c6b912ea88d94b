import { connect } from 'amqplib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  call,
  connectOslo,
  createOsloClient,
  defineContract,
  Empty,
  fanout,
  osloEndpoint,
  RemoteError,
  serveOslo,
  ServiceError,
  type OsloOptions,
  type OsloTransport,
} from '../index.ts';
import { eventually } from '../testing/bench.ts';
import { openProxy, testBroker } from '../testing/proxy.ts';
import { Body, contractOf, Note, Pair, Text, Whole } from './testing/contract.ts';
import { startPythonPeer, type PythonPeer } from './testing/python-peer.ts';

const topics: string[] = [];
const freshTopic = (): string => {
  topics.push(`oslo-${process.pid}-${topics.length}`);
  return topics.at(-1) ?? '';
};
const opened: OsloTransport[] = [];
async function connectHere(over: Partial<OsloOptions> = {}): Promise<OsloTransport> {
  const transport = await connectOslo({ url: testBroker(), service: 'test', retryBaseMs: 20, retryCapMs: 200, ...over });
  opened.push(transport);
  return transport;
}

let peer: PythonPeer;
let transport: OsloTransport;
beforeAll(async () => {
  [peer, transport] = await Promise.all([
    startPythonPeer(testBroker()),
    connectHere({ pythonClasses: { missing_key: { module: 'builtins', class: 'KeyError' } } }),
  ]);
});
afterAll(async () => {
  await peer?.close();
  await Promise.all(opened.map((one) => one.close()));
  // As with oslo.messaging itself, the queues of topics stay.
  const connection = await connect(testBroker());
  const channel = await connection.createChannel();
  for (const topic of topics) for (const server of ['', '.host-1', '.py-1', '.both']) await channel.deleteQueue(`${topic}${server}`);
  await connection.close();
});

describe('a Python client of our server', () => {
  const topic = freshTopic();
  const notes: string[] = [];
  const send = (given: object) => peer.order('send', { how: 'call', topic, method: 'echo', args: { body: 'x' }, version: '1.1', ...given });

  beforeAll(async () => {
    const contract = contractOf(topic);
    const endpoint = osloEndpoint(contract, {
      echo: (_context, { body }) => body,
      add: (_context, { a, b }) => a + b,
      nothing: () => new Empty(),
      who: ({ remote, requestId }) => ({ user: String(remote['user_id']), request: requestId }),
      missing: (_context, { key }) => {
        throw new ServiceError('missing_key', key);
      },
      no_room: () => {
        throw new ServiceError('no_room', 'no room for 2 more');
      },
      slow: (_context, { seconds }) => new Promise((resolve) => setTimeout(() => resolve('done'), seconds * 1_000)),
      absent: () => {
        throw new RangeError('out of range');
      },
      note: (_context, { text }) => void notes.push(text),
      news: (_context, { text }) => void notes.push(`all: ${text}`),
    });
    const admin = defineContract({
      topic,
      version: '2.0',
      methods: { echo: call({ since: '2.0', request: Body, response: Pair }) },
    });
    const second = osloEndpoint(admin, { echo: (_context, { body }) => ['admin', body] }, { namespace: 'admin' });
    await serveOslo(transport, [endpoint, second], { server: 'host-1' });
  });

  test('gets the value, by topic and by server, with every letter as it was', async () => {
    expect(await send({ args: { body: 'Grüße, 世界' } })).toBe('Grüße, 世界');
    expect(await send({ server: 'host-1', method: 'add', args: { a: 2, b: 40 } })).toBe(42);
    expect(await send({ method: 'nothing', args: {} })).toBe(null);
  });

  test('reaches the endpoint of its namespace and major', async () => {
    expect(await send({ namespace: 'admin', version: '2.0' })).toEqual(['admin', 'x']);
  });

  test('passes its context on', async () => {
    const context = { user_id: 'u-1', request_id: 'req-7' };
    expect(await send({ method: 'who', args: {}, context })).toEqual({ user: 'u-1', request: 'req-7' });
  });

  test('catches an application error as the Python class that its code stands for, and any other as RemoteError', async () => {
    await expect(send({ method: 'missing', args: { key: 'k' } })).rejects.toMatchObject({
      remote: { bases: expect.arrayContaining(['KeyError']) },
    });
    await expect(send({ method: 'no_room', args: {} })).rejects.toMatchObject({ remote: { class: 'RemoteError', exc_type: 'no_room' } });
    await expect(send({ method: 'absent', args: {} })).rejects.toMatchObject({ remote: { class: 'RemoteError', exc_type: 'RangeError' } });
  });

  test('catches UnsupportedVersion, NoSuchMethod, and TypeError for arguments that do not fit', async () => {
    await expect(send({ version: '1.2' })).rejects.toMatchObject({ remote: { bases: expect.arrayContaining(['UnsupportedVersion']) } });
    await expect(send({ version: '2.0' })).rejects.toMatchObject({ remote: { bases: expect.arrayContaining(['UnsupportedVersion']) } });
    await expect(send({ method: 'nowhere' })).rejects.toMatchObject({ remote: { bases: expect.arrayContaining(['NoSuchMethod']) } });
    await expect(send({ args: { body: 7 } })).rejects.toMatchObject({ remote: { bases: expect.arrayContaining(['TypeError']) } });
  });

  test('is kept waiting by heartbeats beyond its monitor timeout', async () => {
    expect(await send({ method: 'slow', args: { seconds: 3.2 }, monitor: 2, timeout: 20 })).toBe('done');
  });

  test('casts to one and fans out to all', async () => {
    await send({ how: 'cast', method: 'note', args: { text: 'cast' } });
    await send({ how: 'cast', method: 'news', args: { text: 'fanout' }, fanout: true });
    await eventually(() => notes.length === 2);
    expect(notes.toSorted()).toEqual(['all: fanout', 'cast']);
  });

  test('gets its answer also when our connection broke while the handler ran, and the handler ran once', async () => {
    const proxy = await openProxy(testBroker());
    const own = freshTopic();
    const cut = await connectHere({ url: proxy.url });
    const releases: ((value: string) => void)[] = [];
    const contract = defineContract({
      topic: own,
      version: '1.0',
      methods: { hold: call({ since: '1.0', request: Empty, response: Text }) },
    });
    await serveOslo(cut, [osloEndpoint(contract, { hold: () => new Promise((resolve) => releases.push(resolve)) })], { server: 'host-1' });
    const answer = peer.order('send', { how: 'call', topic: own, method: 'hold', args: {}, timeout: 15 });
    await eventually(() => releases.length === 1);
    proxy.cut();
    await eventually(() => !cut.connected);
    releases[0]?.('late');
    proxy.restore();
    expect(await answer).toBe('late');
    expect(releases).toHaveLength(1);
    await cut.close();
    await proxy.close();
  });
});

describe('our client of a Python server', () => {
  const topic = freshTopic();
  const client = () => createOsloClient(transport, contractOf(topic));
  const notes = () => peer.events.filter(({ event }) => event === 'note');

  beforeAll(() => peer.order('serve', { topic, server: 'py-1' }));

  test('gets the value, by topic and by server, and None as Empty', async () => {
    expect(await client().echo({ body: 'Grüße, 世界' })).toBe('Grüße, 世界');
    expect(await client().at('py-1').add({ a: 2, b: 40 })).toBe(42);
    expect(await client().nothing({})).toBeInstanceOf(Empty);
    const admin = createOsloClient(
      transport,
      defineContract({ topic, version: '2.0', methods: { echo: call({ since: '2.0', request: Body, response: Pair }) } }),
      { namespace: 'admin' },
    );
    expect(await admin.echo({ body: 'x' })).toEqual(['admin', 'x']);
  });

  test('passes the context on', async () => {
    const context = { requestId: 'req-9', deadline: Number.POSITIVE_INFINITY };
    expect(await client().who({}, { context, remoteContext: { user_id: 'u-2' } })).toEqual({ user: 'u-2', request: 'req-9' });
  });

  test('rejects with the class and the message of what Python raised, or with the code that stands for it', async () => {
    const refused = await client()
      .no_room({})
      .catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(RemoteError);
    expect(refused).toMatchObject({ remoteName: 'RoomError', message: 'no room for 2 more' });
    await expect(client().missing({ key: 'k' })).rejects.toMatchObject({ name: 'ServiceError', code: 'missing_key', message: "'k'" });
  });

  test('is refused a newer version and an absent method', async () => {
    const newer = createOsloClient(transport, contractOf(topic, '1.2'));
    await expect(newer.echo({ body: 'x' })).rejects.toMatchObject({ code: 'UnsupportedVersion' });
    await expect(client().absent({})).rejects.toMatchObject({ code: 'NoSuchMethod' });
  });

  test('an answer of another shape than the contract states is a MalformedMessage', async () => {
    const wrong = defineContract({ topic, version: '1.0', methods: { echo: call({ since: '1.0', request: Body, response: Whole }) } });
    await expect(createOsloClient(transport, wrong).echo({ body: 'x' })).rejects.toMatchObject({ code: 'MalformedMessage' });
  });

  test('heartbeats keep a long call, but not beyond its deadline', async () => {
    expect(await client().slow({ seconds: 3 }, { callMonitorSeconds: 2, timeoutMs: 20_000 })).toBe('done');
    await expect(client().slow({ seconds: 2 }, { timeoutMs: 300 })).rejects.toMatchObject({ code: 'DeadlineExceeded' });
  });

  test('casts and fans out, and a fanout to nobody is done', async () => {
    await client().note({ text: 'cast' });
    const fan = defineContract({ topic, version: '1.1', methods: { note: fanout({ since: '1.0', request: Note }) } });
    await createOsloClient(transport, fan).note({ text: 'fanout' });
    await eventually(() => notes().length === 2);
    expect(notes().map(({ text }) => text)).toEqual(expect.arrayContaining(['cast', 'fanout']));
    await createOsloClient(transport, contractOf(freshTopic())).news({ text: 'nobody' });
  });

  test('a call or cast that no queue takes fails at once', async () => {
    const nobody = createOsloClient(transport, contractOf(freshTopic()));
    await expect(nobody.echo({ body: 'x' }, { timeoutMs: 20_000 })).rejects.toMatchObject({ code: 'Unreachable' });
    await expect(nobody.note({ text: 'x' })).rejects.toMatchObject({ code: 'Unreachable' });
  });
});

test.each([
  ['durable', { durable: true }, ['amqp_durable_queues=true']],
  ['quorum', { quorum: true, deliveryLimit: 3 }, ['rabbit_quorum_queue=true', 'rabbit_quorum_delivery_limit=3']],
] as const)('%s queues are declared as Python declares them, by either side first', async (kind, queues, settings) => {
  const exchange = `oslo-${process.pid}-${kind}`;
  const durable = await connectHere({ ...queues, controlExchange: exchange });
  const other = await startPythonPeer(testBroker(), exchange, settings);
  try {
    const [ours, theirs] = [freshTopic(), freshTopic()];
    const contract = (topic: string) =>
      defineContract({ topic, version: '1.0', methods: { echo: call({ since: '1.0', request: Body, response: Text }) } });
    const echo = osloEndpoint(contract(ours), { echo: (_context, { body }) => body });
    await serveOslo(durable, [echo], { server: 'host-1' });
    expect(await other.order('send', { how: 'call', topic: ours, method: 'echo', args: { body: 'a' } })).toBe('a');
    await other.order('serve', { topic: theirs, server: 'py-1' });
    expect(await createOsloClient(durable, contract(theirs)).echo({ body: 'b' })).toBe('b');
    const twin = freshTopic();
    await other.order('serve', { topic: twin, server: 'both' });
    await serveOslo(durable, [osloEndpoint(contract(twin), { echo: (_context, { body }) => body })], { server: 'both' });
    expect(await createOsloClient(durable, contract(twin)).at('both').echo({ body: 'c' })).toBe('c');
  } finally {
    await other.close();
  }
});
