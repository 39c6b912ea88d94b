import { expect, test } from 'vitest';
import { createClient, DeadlineExceeded, Empty, InProcessBroker, serve, type Faults, type Random } from '../index.ts';
import { eventually } from '../testing/bench.ts';
import { echoContract, Text } from '../testing/echo.ts';

/** Park and Miller's generator: enough to repeat a run. */
function seeded(seed: number): Random {
  let state = seed;
  let ids = 0;
  return {
    next: () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647,
    uuid: () => `id-${ids++}`,
  };
}

const text = (value: string) => Object.assign(new Text(), { text: value });
const contract = echoContract('faulty');

async function run(faults: Faults, seed: number, notes: number): Promise<string[]> {
  const broker = new InProcessBroker({ random: seeded(seed) });
  const far = broker.connect({ service: 'far', id: '1' });
  const near = broker.connect({ service: 'near', id: '1' });
  const seen: string[] = [];
  await serve(far, contract, {
    echo: (_context, request) => request,
    shout: (_context, request) => request,
    fail: () => new Empty(),
    hang: () => new Empty(),
    repeatable: () => ({ count: 0 }),
    look: (context) => ({ caller: context.caller, requestId: '', remainingMs: 0, version: '' }),
    note: (_context, request) => void seen.push(request.text),
    news: () => undefined,
    list: (_context, { count }) => [Array.from({ length: count }, (_, index) => text(String(index)))],
  });
  const client = createClient(near, contract);
  broker.faults = faults;
  for (let index = 0; index < notes; index++) await client.note(text(String(index)));
  broker.faults = {};
  await client.note(text('end'));
  await eventually(() => seen.includes('end'));
  return seen;
}

test('the same seed loses the same messages, another seed others', async () => {
  const first = await run({ lose: 0.5 }, 7, 60);
  expect(first.length).toBeGreaterThan(10);
  expect(first.length).toBeLessThan(50);
  expect(await run({ lose: 0.5 }, 7, 60)).toEqual(first);
  expect(await run({ lose: 0.5 }, 8, 60)).not.toEqual(first);
});

test('doubled messages come twice', async () => {
  const seen = await run({ double: 1 }, 7, 3);
  expect(seen.toSorted()).toEqual(['0', '0', '1', '1', '2', '2', 'end']);
});

test('delayed messages overtake each other, and none is lost', async () => {
  const seen = await run({ delayMs: 20 }, 7, 40);
  await eventually(() => seen.length === 41);
  const arrived = seen.filter((each) => each !== 'end');
  expect(arrived.toSorted((a, b) => Number(a) - Number(b))).toEqual(Array.from({ length: 40 }, (_, index) => String(index)));
  expect(arrived).not.toEqual(Array.from({ length: 40 }, (_, index) => String(index)));
});

test('a stream is whole and in order over a broker that doubles and delays, and a lost piece ends at the deadline', async () => {
  const broker = new InProcessBroker({ random: seeded(3) });
  const far = broker.connect({ service: 'far', id: '1' });
  const client = createClient(broker.connect({ service: 'near', id: '1' }), contract);
  const answer = (_context: unknown, request: Text) => request;
  await serve(far, contract, {
    echo: answer,
    shout: answer,
    fail: () => new Empty(),
    hang: () => new Empty(),
    repeatable: () => ({ count: 0 }),
    look: () => ({ caller: '', requestId: '', remainingMs: 0, version: '' }),
    note: () => undefined,
    news: () => undefined,
    list: (_context, { count }) => [Array.from({ length: count }, (_, index) => text(String(index)))],
  });
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
  const seen = await run({}, 1, 0);
  expect(seen).toEqual(['end']);
  const broker = new InProcessBroker();
  const far = broker.connect({ service: 'far', id: '1' });
  const near = broker.connect({ service: 'near', id: '1', user: 'mallory' });
  const answer = (_context: unknown, request: Text) => request;
  await serve(far, contract, {
    echo: answer,
    shout: answer,
    fail: () => new Empty(),
    hang: () => new Empty(),
    repeatable: () => ({ count: 0 }),
    look: () => ({ caller: '', requestId: '', remainingMs: 0, version: '' }),
    note: () => undefined,
    news: () => undefined,
    list: () => [],
  });
  await near.sendConfirmed({ exchange: 'internal', key: 'faulty.any', body: Buffer.from([0xff, 0x00]), mandatory: true });
  await near.sendConfirmed({ exchange: 'internal', key: 'faulty.any', body: Buffer.from('{"kind":"note"}'), mandatory: true });
  await eventually(() => broker.deadLetters.length === 2);
  expect(broker.deadLetters.map(({ reason, userId }) => [userId, reason])).toEqual([
    ['mallory', 'MalformedMessage: the message is not JSON'],
    ['mallory', 'MalformedMessage: topic: expected string, got nothing'],
  ]);
  expect((await createClient(near, contract).echo(text('alive'))).text).toBe('alive');
});
