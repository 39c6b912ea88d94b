import { expect, test } from 'vitest';
import { startTcpProxy } from '../../../../tests/support/tcp-proxy.ts';
import { createOsloClient, osloEndpoint, serveOslo } from '../index.ts';
import { eventually } from '../testing/bench.ts';
import { testBroker } from '../testing/proxy.ts';
import { workContract } from './testing/contract.ts';
import { osloPlace } from './testing/place.ts';

/** Messages that are the first on their connection, or the last. */
const place = osloPlace('connections');

test('a call whose connection breaks before it has left goes out with the next one', async () => {
  const proxy = await startTcpProxy(testBroker());
  const near = await place.connect({ url: proxy.through(testBroker()) });
  await place.serve(await place.connect(), {});
  const client = createOsloClient(near, workContract(place.topic));
  proxy.fail('hold');
  const first = client.run({ text: 'x' }); // its reply queue is being declared
  proxy.fail('cut');
  proxy.mend();
  expect(await first).toBe('done');
  const other = createOsloClient(near, { ...workContract(place.topic), exchange: `${place.topic}-other` });
  proxy.fail('hold');
  const second = other.run({ text: 'x' }); // its exchange is
  proxy.fail('cut');
  proxy.mend();
  await expect(second).rejects.toMatchObject({ code: 'Unreachable' }); // by the broker: nobody listens there
  await place.channel.deleteExchange(`${place.topic}-other`);
  await near.close();
  await proxy.stop();
});

test('when its transport is closed a call ends at once, whether it may be repeated, has left, or not', async () => {
  const proxy = await startTcpProxy(testBroker());
  const near = await place.connect({ url: proxy.through(testBroker()), connectWaitMs: 30_000 });
  let running = 0;
  await place.serve(await place.connect(), { run: () => (running++, new Promise(() => undefined)) }, { graceMs: 0 });
  const { run, note } = workContract(place.topic).methods;
  const client = createOsloClient(near, { ...workContract(place.topic), methods: { run: { ...run, idempotent: true }, note } });
  const sent = client.run({ text: 'x' }).catch((error: unknown) => error);
  await eventually(() => running === 1);
  await near.close();
  expect(await sent).toMatchObject({ code: 'ConnectionLost' });
  const other = await place.connect({ url: proxy.through(testBroker()), connectWaitMs: 30_000 });
  proxy.fail('cut');
  await eventually(() => !other.connected);
  const waiting = createOsloClient(other, workContract(place.topic))
    .run({ text: 'x' })
    .catch((error: unknown) => error);
  await other.close();
  expect(await waiting).toMatchObject({ code: 'Unreachable', message: 'this transport is closed' });
  await proxy.stop();
});

test('any number of messages may be the first to an exchange, or to all servers', { timeout: 60_000 }, async () => {
  const notes: string[] = [];
  const transport = await place.connect({ maxCalls: 3_000 });
  const other = { ...workContract(place.topic), exchange: `${place.topic}-other` };
  const handlers = { run: () => 'done', note: (_context: unknown, { text }: { text: string }) => void notes.push(text) };
  await serveOslo(await place.connect(), [osloEndpoint(other, handlers)], { server: 's-1', overloadLimit: 5_000 });
  const many = <T>(act: (index: number) => Promise<T>) => Promise.all(Array.from({ length: 2_500 }, (_, index) => act(index)));
  const { run, note } = other.methods;
  const client = createOsloClient(transport, other);
  const all = createOsloClient(transport, { ...other, methods: { run, note: { ...note, kind: 'fanout' as const } } });
  await many((index) => client.note({ text: String(index) }));
  await many((index) => all.note({ text: String(index) }));
  await eventually(() => notes.length === 5_000);
  const caller = createOsloClient(await place.connect({ maxCalls: 3_000 }), other);
  expect(new Set(await many(() => caller.run({ text: 'x' })))).toEqual(new Set(['done']));
  await place.channel.deleteExchange(`${place.topic}-other`);
});
