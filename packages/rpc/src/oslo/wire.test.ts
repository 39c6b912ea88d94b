import { beforeEach, expect, test } from 'vitest';
import { createOsloClient, osloEndpoint, serveOslo, type OsloServeOptions } from '../index.ts';
import { eventually } from '../testing/bench.ts';
import { openProxy, testBroker } from '../testing/proxy.ts';
import { packRequest, readReply, type OsloReply } from './envelope.ts';
import { workContract } from './testing/contract.ts';
import { osloPlace, type Work } from './testing/place.ts';

/** What other peers may do to ours, byte by byte. */
const counts = new Map<string, number>();
const replies: OsloReply[] = [];
const place = osloPlace('wire', {
  metrics: { count: (counter) => counts.set(counter, (counts.get(counter) ?? 0) + 1), duration: () => undefined },
});

beforeEach(async () => {
  counts.clear();
  replies.length = 0;
  await place.channel.assertQueue(`${place.topic}-answers`, { exclusive: true });
  await place.channel.consume(`${place.topic}-answers`, (message) => message && replies.push(readReply(message.content)), { noAck: true });
});

const request = (method: string, args: object, uniqueId: string, msgId?: string) =>
  packRequest({
    method,
    args: { ...args },
    namespace: undefined,
    version: '1.0',
    answer: msgId === undefined ? undefined : { msgId, queue: `${place.topic}-answers`, monitorSeconds: undefined },
    context: {},
    uniqueId,
  });

const publish = (body: Buffer, options = {}) => {
  place.channel.publish(place.topic, place.topic, body, options);
  return place.channel.waitForConfirms();
};

test('what cannot be read is dropped and counted, and the next request is handled', async () => {
  await place.serve(await place.connect({ maxMessageBytes: 2_000 }), {});
  const bad = [
    'not JSON',
    '[]',
    '{"oslo.version":"3.0","oslo.message":"{}"}',
    '{"oslo.version":"2.0","oslo.message":{}}',
    '{"oslo.version":"2.0","oslo.message":"{"}',
    '{"oslo.version":"2.0","oslo.message":"{\\"method\\":7}"}',
    '{"method":"run","args":[]}',
    JSON.stringify({ method: 'run', args: { text: 'x'.repeat(3_000) } }),
  ];
  for (const body of bad) await publish(Buffer.from(body));
  await publish(request('run', { text: 'x' }, 'u-1', 'm-1'));
  await eventually(() => replies.length === 1);
  expect(replies[0]).toEqual({ msgId: 'm-1', result: 'done', failure: null, ending: true });
  expect(counts.get('refused')).toBe(bad.length);
});

test('a caller whose request is wrong inside is told, where it can be', async () => {
  await place.serve(await place.connect(), {});
  await publish(Buffer.from(JSON.stringify({ method: 'run', args: 'x', _msg_id: 'm-1', _reply_q: `${place.topic}-answers` })));
  await eventually(() => replies.length === 1);
  expect(JSON.parse(String(replies[0]?.failure))).toMatchObject({ class: 'TypeError', module: 'builtins' });
});

test('a return address that cannot be used makes no trouble for the connection, nor for the next request', async () => {
  await place.serve(await place.connect(), {});
  const odd = { method: 'run', args: { text: 'x' }, _msg_id: 'm-1', _reply_q: `${place.topic}-answers` };
  const broken = { ...odd, args: 'x' };
  for (const one of [odd, broken]) {
    await publish(Buffer.from(JSON.stringify({ ...one, _msg_id: 'm'.repeat(300), _timeout: 2 })));
    await publish(Buffer.from(JSON.stringify({ ...one, _timeout: { valueOf: 1, toString: 1 } })));
    await publish(Buffer.from(JSON.stringify({ ...one, _timeout: [[]] })));
  }
  await publish(request('run', { text: 'x' }, 'u-1', 'm-last'));
  await eventually(() => replies.some(({ msgId }) => msgId === 'm-last'));
  expect(replies.map(({ msgId }) => msgId)).toEqual(['m-1', 'm-1', 'm-1', 'm-1', 'm-last']);
  expect(counts.get('disconnects')).toBeUndefined();
});

test('a request without envelope (format 1.0), and one of one number as version, are understood', async () => {
  await place.serve(await place.connect(), { run: (_context, { text }) => text });
  const plain = { method: 'run', args: { text: 'old' }, version: '1', _msg_id: 'm-1', _reply_q: `${place.topic}-answers` };
  await publish(Buffer.from(JSON.stringify(plain)));
  await eventually(() => replies.length === 1);
  expect(replies[0]?.result).toBe('old');
});

test('the same message again is dropped, within the window', async () => {
  const notes: string[] = [];
  await place.serve(await place.connect({ duplicateWindow: 2 }), { note: (_context, { text }) => void notes.push(text) });
  for (const id of ['a', 'a', 'b', 'a', 'c', 'd', 'a']) await publish(request('note', { text: id }, id));
  await eventually(() => notes.length + (counts.get('duplicates') ?? 0) === 7);
  expect(notes).toEqual(['a', 'b', 'c', 'd', 'a']);
});

test('an id that is too long to be remembered is none', async () => {
  const notes: string[] = [];
  await place.serve(await place.connect(), { note: (_context, { text }) => void notes.push(text) });
  const long = 'u'.repeat(256);
  for (const id of [long, long, 'u'.repeat(255), 'u'.repeat(255)]) await publish(request('note', { text: String(id.length) }, id));
  await eventually(() => notes.length + (counts.get('duplicates') ?? 0) === 4);
  expect(notes).toEqual(['256', '256', '255']);
});

test('above its limit a server answers calls with Busy and keeps casts', async () => {
  const releases: (() => void)[] = [];
  const notes: string[] = [];
  const run = () => new Promise<string>((resolve) => releases.push(() => resolve('done')));
  const limits = { concurrency: 1, overloadLimit: 1 };
  await place.serve(await place.connect(), { run, note: (_context, { text }) => void notes.push(text) }, limits);
  for (const id of ['1', '2', '3']) await publish(request('run', { text: 'x' }, `u-${id}`, `m-${id}`));
  await publish(request('note', { text: 'kept' }, 'u-4'));
  await eventually(() => replies.length === 1);
  expect(replies[0]).toMatchObject({ msgId: 'm-3', failure: expect.stringContaining('"class":"Busy"') });
  releases[0]?.();
  await eventually(() => releases.length === 2);
  releases[1]?.();
  await eventually(() => notes.length === 1 && replies.length === 3);
});

test('a handler is told when its caller has given up, or its reply queue is gone', async () => {
  const reasons: string[] = [];
  const run: Work['run'] = ({ signal }) =>
    new Promise((resolve) =>
      signal.addEventListener('abort', () => {
        reasons.push((signal.reason as { code: string }).code);
        resolve('late');
      }),
    );
  await place.serve(await place.connect(), { run });
  await publish(request('run', { text: 'x' }, 'u-1', 'm-1'), { expiration: '200' });
  await eventually(() => reasons.length === 1);
  const gone = { msgId: 'm-2', queue: `${place.topic}-nowhere`, monitorSeconds: 1 };
  const base = { method: 'run', args: { text: 'x' }, namespace: undefined, version: '1.0', context: {} };
  await publish(packRequest({ ...base, answer: gone, uniqueId: 'u-2' }));
  await eventually(() => reasons.length === 2);
  expect(reasons).toEqual(['DeadlineExceeded', 'Unreachable']);
  expect(replies).toEqual([]);
});

test('a stopped server hands back what it did not finish, and another one does it', async () => {
  const [first, second] = [await place.connect(), await place.connect()];
  let started = 0;
  const server = await place.serve(first, { run: () => new Promise(() => void started++) }, { graceMs: 0 });
  await publish(request('run', { text: 'x' }, 'u-1', 'm-1'));
  await eventually(() => started === 1);
  await server.stop();
  await place.serve(second, { run: () => 'second' });
  await eventually(() => replies.length === 1);
  expect(replies[0]?.result).toBe('second');
});

test('a silent server ends a monitored call long before its deadline', async () => {
  const transport = await place.connect();
  await place.channel.assertQueue(place.topic, { durable: false });
  await place.channel.bindQueue(place.topic, place.topic, place.topic);
  const client = createOsloClient(transport, workContract(place.topic), { callMonitorSeconds: 2 });
  await expect(client.run({ text: 'x' }, { timeoutMs: 20_000 })).rejects.toMatchObject({
    code: 'DeadlineExceeded',
    details: { timeoutMs: 2_000 },
  });
});

test('when the connection breaks, a call fails at once, an idempotent one is made again, and a client waits a bounded time', async () => {
  const proxy = await openProxy(testBroker());
  const near = await place.connect({ url: proxy.url, connectWaitMs: 300 });
  const hung: (() => void)[] = [];
  const server = await place.connect();
  await place.serve(server, { run: () => new Promise((resolve) => hung.push(() => resolve('done'))) });
  const { run, ...rest } = workContract(place.topic).methods;
  const again = createOsloClient(near, { ...workContract(place.topic), methods: { ...rest, run: { ...run, idempotent: true } } });
  const once = createOsloClient(near, workContract(place.topic));
  const [lost, kept] = [once.run({ text: 'x' }), again.run({ text: 'x' })];
  await eventually(() => hung.length === 2);
  proxy.cut();
  await expect(lost).rejects.toMatchObject({ code: 'ConnectionLost' });
  await expect(once.run({ text: 'x' })).rejects.toMatchObject({ code: 'Unreachable' });
  await expect(once.note({ text: 'x' })).rejects.toMatchObject({ code: 'Unreachable' });
  proxy.restore();
  await eventually(() => hung.length === 3);
  for (const release of hung) release();
  expect(await kept).toBe('done');
  await near.close();
  await proxy.close();
});

test('queues that were deleted are declared again, and work goes on', async () => {
  const [near, far] = [await place.connect(), await place.connect()];
  await place.serve(far, {});
  const client = createOsloClient(near, workContract(place.topic));
  expect(await client.run({ text: 'x' })).toBe('done');
  for (const queue of [place.topic, `${place.topic}.s-1`, `reply_${near.unique}`]) await place.channel.deleteQueue(queue);
  const works = () =>
    client.run({ text: 'x' }, { timeoutMs: 500 }).then(
      () => true,
      () => false,
    );
  await expect.poll(works, { timeout: 5_000 }).toBe(true);
});

test('the queues of a process are gone some time after it', async () => {
  const transport = await place.connect({ transientTtlSeconds: 1 });
  await place.serve(transport, {});
  await createOsloClient(transport, workContract(place.topic)).run({ text: 'x' });
  const { unique } = transport;
  await transport.close();
  const there = async (queue: string) => {
    const probe = await place.connection.createChannel();
    probe.on('error', () => undefined);
    const found = await probe.checkQueue(queue).then(
      () => true,
      () => false,
    );
    if (found) await probe.close();
    return found;
  };
  for (const queue of [`reply_${unique}`, `${place.topic}_fanout_${unique}`])
    // To ask is to use it: the questions must be further apart than the time it stays.
    await expect.poll(() => there(queue), { timeout: 15_000, interval: 2_500 }).toBe(false);
});

test('calls above maxCalls are refused, and an aborted call ends with the reason', async () => {
  const transport = await place.connect({ maxCalls: 1 });
  await place.serve(transport, { run: () => new Promise(() => undefined) }, { graceMs: 0 });
  const client = createOsloClient(transport, workContract(place.topic));
  const abort = new AbortController();
  const first = client.run({ text: 'x' }, { signal: abort.signal });
  await expect(client.run({ text: 'x' })).rejects.toMatchObject({ code: 'Busy' });
  abort.abort(new Error('changed my mind'));
  await expect(first).rejects.toThrow('changed my mind');
});

test('a request acknowledged before its handler is not handled again by another server', async () => {
  const [first, second] = [await place.connect(), await place.connect()];
  const texts: string[] = [];
  const note: Work['note'] = (_context, { text }) => {
    texts.push(text);
    return new Promise(() => undefined);
  };
  const server = await place.serve(first, { note }, { acknowledge: 'before', graceMs: 0 });
  await publish(request('note', { text: 'first' }, 'u-1'));
  await eventually(() => texts.length === 1);
  await server.stop();
  await place.serve(second, { note });
  await publish(request('note', { text: 'second' }, 'u-2'));
  await eventually(() => texts.length === 2);
  expect(texts).toEqual(['first', 'second']);
});

test('a request that came again while it was handled outlives the server that then dies', async () => {
  const proxy = await openProxy(testBroker());
  const near = await place.connect({ url: proxy.url });
  const texts: string[] = [];
  const note =
    (name: string, done: Promise<void>) =>
    (_context: unknown, { text }: { text: string }) => (texts.push(`${name} ${text}`), done);
  await place.serve(near, { note: note('first', new Promise(() => undefined)) });
  await publish(request('note', { text: 'x' }, 'u-1'));
  await eventually(() => texts.length === 1);
  proxy.cut();
  proxy.restore();
  await eventually(() => counts.get('duplicates') === 1);
  await near.close();
  await place.serve(await place.connect(), { note: note('second', Promise.resolve()) });
  await eventually(() => texts.length === 2);
  expect(texts).toEqual(['first x', 'second x']);
  await proxy.close();
});

test('what `authorize` refuses is answered with NotAuthorized before any effect', async () => {
  const ran: string[] = [];
  const run: Work['run'] = (_context, { text }) => (ran.push(text), 'done');
  const authorize: OsloServeOptions['authorize'] = (_method, { remote }) => {
    if (remote['user_id'] !== 'admin') throw new Error('only the admin may');
  };
  await place.serve(await place.connect(), { run }, { authorize });
  const client = createOsloClient(await place.connect(), workContract(place.topic));
  const refused = client.run({ text: 'x' }, { remoteContext: { user_id: 'u-1' } });
  await expect(refused).rejects.toMatchObject({ remoteName: 'NotAuthorized', message: 'only the admin may' });
  expect(await client.run({ text: 'y' }, { remoteContext: { user_id: 'admin' } })).toBe('done');
  expect(ran).toEqual(['y']);
});

test('calls and fanouts go through replicated reply and fanout queues', async () => {
  const [near, far] = [await place.connect({ transientQuorum: true }), await place.connect({ transientQuorum: true })];
  const notes: string[] = [];
  await place.serve(far, { note: (_context, { text }) => void notes.push(text) });
  const { run, note } = workContract(place.topic).methods;
  const client = createOsloClient(near, { ...workContract(place.topic), methods: { run, note: { ...note, kind: 'fanout' as const } } });
  expect(await client.run({ text: 'x' })).toBe('done');
  await client.note({ text: 'all' });
  await eventually(() => notes.length === 1);
  await Promise.all([near.close(), far.close()]);
  for (const queue of [`reply_${near.unique}`, `${place.topic}_fanout_${far.unique}`]) await place.channel.deleteQueue(queue);
});

test('calls that come together while the reply queue is being declared are all answered', async () => {
  const transport = await place.connect();
  await place.serve(transport, {}); // so that nothing but the reply queue is to be waited for
  const client = createOsloClient(transport, workContract(place.topic));
  const answers = await Promise.all(Array.from({ length: 32 }, () => client.run({ text: 'x' }, { timeoutMs: 5_000 })));
  expect(answers).toEqual(Array.from({ length: 32 }, () => 'done'));
});

test('every server of a process hears what all are told', async () => {
  const transport = await place.connect();
  const heard: string[] = [];
  const { run, note } = workContract(place.topic).methods;
  const contract = { ...workContract(place.topic), methods: { run, note: { ...note, kind: 'fanout' as const } } };
  for (const server of ['s-1', 's-2']) {
    const endpoint = osloEndpoint(contract, { run: () => 'done', note: (_context, { text }) => void heard.push(`${server} ${text}`) });
    await serveOslo(transport, [endpoint], { server });
  }
  await createOsloClient(transport, contract).note({ text: 'all' });
  await eventually(() => heard.length === 2);
  expect(heard.toSorted()).toEqual(['s-1 all', 's-2 all']);
  await place.channel.deleteQueue(`${place.topic}.s-2`);
});

test('a server that cannot have one of its queues takes nothing from the others', async () => {
  const transport = await place.connect();
  await place.channel.assertQueue(`${place.topic}.s-1`, { durable: true });
  await expect(place.serve(transport, {})).rejects.toThrow(/PRECONDITION_FAILED/);
  expect((await place.channel.checkQueue(place.topic)).consumerCount).toBe(0);
});

test('a time that no timer and no message can have, a signal that is none, and a closed transport are refused by name', async () => {
  const transport = await place.connect();
  for (const timeoutMs of [Number.POSITIVE_INFINITY, 3_000_000_000, -3, Number.NaN]) {
    const refusal = /timeoutMs: expected milliseconds above 0 and up to 2147483647/;
    expect(() => createOsloClient(transport, workContract(place.topic), { timeoutMs })).toThrow(refusal);
    const client = createOsloClient(transport, workContract(place.topic));
    await expect(client.run({ text: 'x' }, { timeoutMs })).rejects.toThrow(refusal);
    await expect(client.note({ text: 'x' }, { timeoutMs })).rejects.toThrow(refusal);
    await expect(place.connect({ callTimeoutMs: timeoutMs })).rejects.toThrow(/connectOslo: callTimeoutMs: expected milliseconds above 0/);
  }
  await transport.close();
  const closed = createOsloClient(transport, workContract(place.topic));
  for (const send of [closed.run({ text: 'x' }), closed.note({ text: 'x' })])
    await expect(send).rejects.toMatchObject({ code: 'Unreachable', message: 'this transport is closed' });
  const signal = 5 as unknown as AbortSignal;
  await expect(createOsloClient(transport, workContract(place.topic)).run({ text: 'x' }, { signal })).rejects.toThrow(
    /run: signal: expected an AbortSignal, got 5/,
  );
  expect(() => createOsloClient(transport, workContract(place.topic), { callMonitorSeconds: 3_000_000 })).toThrow(
    /callMonitorSeconds: expected a whole number from 2 to 2147483, got 3000000/,
  );
});
