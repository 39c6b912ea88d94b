import { expect, test } from 'vitest';
import {
  Busy,
  createClient,
  DeadlineExceeded,
  Empty,
  InProcessBroker,
  seededRandom,
  serve,
  VirtualClock,
  type Faults,
  type Handlers,
} from '../index.ts';
import { eventually } from '../testing/bench.ts';
import { echoContract, Text } from '../testing/echo.ts';

const text = (value: string) => Object.assign(new Text(), { text: value });
const contract = echoContract('faulty');

const handlers = (over: Partial<Handlers<typeof contract>> = {}): Handlers<typeof contract> => ({
  echo: (_context, request) => request,
  shout: (_context, request) => request,
  fail: () => new Empty(),
  hang: () => new Empty(),
  repeatable: () => ({ count: 0 }),
  look: () => ({ caller: '', requestId: '', remainingMs: 0, version: '' }),
  note: () => undefined,
  news: () => undefined,
  list: (_context, { count }) => [Array.from({ length: count }, (_, index) => text(String(index)))],
  ...over,
});

/** Sends notes one after the other under the faults, in no real time; which came, in their order. */
async function run(faults: Faults, seed: number, notes: number): Promise<string[]> {
  const clock = new VirtualClock();
  const broker = new InProcessBroker({ clock, random: seededRandom(seed) });
  const seen: string[] = [];
  await serve(
    broker.connect({ service: 'far', id: '1' }),
    contract,
    handlers({ note: (_context, request) => void seen.push(request.text) }),
  );
  const client = createClient(broker.connect({ service: 'near', id: '1' }), contract);
  broker.faults = faults;
  await clock.until(
    (async () => {
      for (let index = 0; index < notes; index++) await client.note(text(String(index)));
    })(),
  );
  await clock.advance(1_000);
  return seen;
}

const numbers = (count: number) => Array.from({ length: count }, (_, index) => String(index));

test('the same seed loses the same messages, another seed others', async () => {
  const first = await run({ lose: 0.5 }, 7, 60);
  expect(first.length).toBeGreaterThan(10);
  expect(first.length).toBeLessThan(50);
  expect(await run({ lose: 0.5 }, 7, 60)).toEqual(first);
  expect(await run({ lose: 0.5 }, 8, 60)).not.toEqual(first);
});

test('doubled messages come twice', async () => {
  expect((await run({ double: 1 }, 7, 3)).toSorted()).toEqual(['0', '0', '1', '1', '2', '2']);
});

test.each([
  { title: 'delayed messages overtake each other', faults: { delayMs: 20 } },
  { title: 'a part of the messages is overtaken by the next', faults: { reorder: 0.5 } },
])('$title, and none is lost', async ({ faults }) => {
  const seen = await run(faults, 7, 40);
  expect(seen).not.toEqual(numbers(40));
  expect(seen.toSorted((a, b) => Number(a) - Number(b))).toEqual(numbers(40));
});

test('a message that nothing overtakes arrives all the same', async () => {
  expect(await run({ reorder: 1, reorderMs: 50 }, 7, 1)).toEqual(['0']);
});

test.each([
  { faults: { lose: 1.1 }, says: 'faults.lose: expected a share from 0 to 1, got 1.1' },
  { faults: { reorder: Number.NaN }, says: 'faults.reorder: expected a share from 0 to 1, got NaN' },
  { faults: { delayMs: -1 }, says: 'faults.delayMs: expected milliseconds of at least 0, got -1' },
])('faults that cannot be are refused: $says', ({ faults, says }) => {
  expect(() => new InProcessBroker({ faults })).toThrow(says);
  const broker = new InProcessBroker();
  expect(() => (broker.faults = faults)).toThrow(says);
});

test('a broker that takes no messages makes senders wait, and then tells them that it is busy', async () => {
  const clock = new VirtualClock();
  const broker = new InProcessBroker({ clock });
  await serve(broker.connect({ service: 'far', id: '1' }), contract, handlers());
  const near = broker.connect({ service: 'near', id: '1', connectWaitMs: 2_000 });
  const client = createClient(near, contract);
  near.block('low on disk');
  expect(near.blocked).toBe('low on disk');
  await expect(clock.until(client.note(text('too long')))).rejects.toThrow('low on disk');
  await expect(clock.until(client.echo(text('too long')))).rejects.toBeInstanceOf(Busy);
  expect(clock.monotonic()).toBe(4_000);
  const patient = client.echo(text('in time'));
  await clock.advance(1_999);
  near.unblock();
  expect((await clock.until(patient)).text).toBe('in time');
});

test('a stream is whole and in order over a broker that doubles and delays, and a lost piece ends at the deadline', async () => {
  const broker = new InProcessBroker({ random: seededRandom(3) });
  const far = broker.connect({ service: 'far', id: '1' });
  const client = createClient(broker.connect({ service: 'near', id: '1' }), contract);
  await serve(far, contract, handlers());
  broker.faults = { double: 0.5, delayMs: 5 };
  const got: string[] = [];
  for await (const items of client.list({ count: 2_500 })) got.push(...items.map((item) => item.text));
  expect(got).toEqual(Array.from({ length: 2_500 }, (_, index) => String(index)));
  broker.faults = { lose: 0.3 };
  await expect(
    (async () => {
      for await (const items of client.list({ count: 2_500 }, { timeoutMs: 200 })) expect(items.length).toBeGreaterThan(0);
    })(),
  ).rejects.toBeInstanceOf(DeadlineExceeded);
});

test('an unreadable message is put aside with its reason, and the server goes on', async () => {
  const broker = new InProcessBroker();
  const far = broker.connect({ service: 'far', id: '1' });
  const near = broker.connect({ service: 'near', id: '1', user: 'mallory' });
  await serve(far, contract, handlers());
  await near.sendConfirmed({ exchange: 'internal', key: 'faulty.any', body: Buffer.from([0xff, 0x00]), mandatory: true });
  await near.sendConfirmed({ exchange: 'internal', key: 'faulty.any', body: Buffer.from('{"kind":"note"}'), mandatory: true });
  await eventually(() => broker.deadLetters.length === 2);
  expect(broker.deadLetters.map(({ reason, userId }) => [userId, reason])).toEqual([
    ['mallory', 'MalformedMessage: the message is not JSON'],
    ['mallory', 'MalformedMessage: topic: expected string, got nothing'],
  ]);
  expect((await createClient(near, contract).echo(text('alive'))).text).toBe('alive');
});

test('what a stopping server has in hand when its connection breaks is given to another, and its reconnect takes nothing new', async () => {
  const broker = new InProcessBroker();
  const seen: string[] = [];
  const begin = async (id: string, note: Handlers<typeof contract>['note']) => {
    const transport = broker.connect({ service: 'far', id });
    return { transport, server: await serve(transport, contract, handlers({ note }), { graceMs: 60_000 }) };
  };
  let release = () => {};
  const first = await begin('1', (_context, request) => {
    seen.push(`1 ${request.text}`);
    return new Promise<void>((resolve) => (release = resolve));
  });
  const client = createClient(broker.connect({ service: 'near', id: '1' }), contract);
  await client.note(text('a'));
  await eventually(() => seen.length === 1);
  await begin('2', (_context, request) => void seen.push(`2 ${request.text}`));
  const stopped = first.server.stop();
  first.transport.cut();
  first.transport.restore();
  await eventually(() => seen.length === 2);
  for (const each of ['b', 'c']) await client.note(text(each));
  await eventually(() => seen.length === 4);
  release();
  await stopped;
  expect(seen).toEqual(['1 a', '2 a', '2 b', '2 c']);
});
