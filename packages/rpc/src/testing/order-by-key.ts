// What a transport promises of messages that keep their order. Run by the tests of each.
import { afterEach, beforeEach, expect, test } from 'vitest';
import { call, cast, createClient, defineContract, Exclude, Expose, serve, Unreachable, type Transport } from '../index.ts';
import { eventually, type Bench } from './bench.ts';

@Exclude()
class Step {
  @Expose() key!: string;
  @Expose() number!: number;
}

const step = (key: string, number: number) => Object.assign(new Step(), { key, number });

const stepsContract = (topic: string) =>
  defineContract({
    topic,
    version: '1.0',
    delivery: { partitions: 3 },
    methods: {
      step: cast({ since: '1.0', request: Step, orderedBy: ({ key }) => key }),
      ask: call({ since: '1.0', request: Step, response: Step, orderedBy: ({ key }) => key }),
    },
  });

export function describeOrder(open: () => Promise<Bench>): void {
  let bench: Bench;
  let near: Transport;
  let topics = 0;
  let topic = '';
  /** By key, in the order in which their handlers began. */
  let begun = new Map<string, number[]>();
  let inHand = new Map<string, number>();
  let overlaps = 0;
  let handlers = new Set<() => void>();

  beforeEach(async () => {
    topic = `steps-${++topics}`;
    begun = new Map();
    inHand = new Map();
    handlers = new Set();
    overlaps = 0;
    bench = await open();
    near = await bench.connect('near', 'near-1');
  });
  afterEach(async () => {
    for (const end of handlers) end();
    await bench.close();
  });

  const client = () => createClient(near, stepsContract(topic));
  /** Notes what it is given, and works on it until `pace` settles. */
  const run = async (id: string, pace: (request: Step, signal: AbortSignal) => Promise<void>, server?: string) => {
    const transport = await bench.connect('far', id);
    const now = inHand; // what ends after its test must not meddle with the next
    const work = async (context: { readonly signal: AbortSignal }, request: Step) => {
      const { key, number } = request;
      begun.set(key, [...(begun.get(key) ?? []), number]);
      now.set(key, (now.get(key) ?? 0) + 1);
      if ((now.get(key) ?? 0) > 1) overlaps++;
      await pace(request, context.signal);
      now.set(key, (now.get(key) ?? 0) - 1);
      return request;
    };
    const serving = await serve(
      transport,
      stepsContract(topic),
      { step: async (context, request) => void (await work(context, request)), ask: work },
      {
        concurrency: 4,
        graceMs: 5_000,
        ...(server === undefined ? {} : { server }),
      },
    );
    return { transport, stop: () => serving.stop() };
  };
  const short = () => new Promise<void>((resolve) => setTimeout(resolve, Math.random() * 4));
  const held = () => new Promise<void>((resolve) => handlers.add(resolve));
  const upTo = (count: number) => Array.from({ length: count }, (_, index) => index);
  const done = (keys: readonly string[], count: number) => () =>
    keys.every((key) => new Set(begun.get(key)).size === count) && [...inHand.values()].every((each) => each === 0);

  test('messages of one key are handled one after the other in their order, with two servers and calls among the casts', async () => {
    await run('far-1', short);
    await run('far-2', short);
    const keys = ['a', 'b', 'c', 'd', 'e'];
    // None waits for the one before it to be confirmed.
    await Promise.all(
      upTo(20).flatMap((number) =>
        keys.map((key) => (number % 4 === 3 ? client().ask(step(key, number)) : client().step(step(key, number)))),
      ),
    );
    await eventually(done(keys, 20));
    for (const key of keys) expect(begun.get(key)).toEqual(upTo(20));
    expect(overlaps).toBe(0);
  });

  test('a key that is stuck does not hold up the others', async () => {
    await run('far-1', ({ key }) => (key === 'stuck' ? held() : short()));
    await client().step(step('stuck', 0));
    await client().step(step('stuck', 1));
    for (const key of ['a', 'b', 'c', 'd']) expect(await client().ask(step(key, 0))).toEqual(step(key, 0));
    expect(begun.get('stuck')).toEqual([0]);
  });

  test('a server that stops hands its keys over in order, after what it had in hand', async () => {
    const first = await run('far-1', ({ number }) => (number === 0 ? held() : short()));
    for (const number of upTo(6)) await client().step(step('a', number));
    await eventually(() => begun.get('a')?.length === 1);
    await run('far-2', short);
    const stopped = first.stop();
    await client().step(step('a', 6));
    for (const end of handlers) end();
    await stopped;
    await eventually(done(['a'], 7));
    expect(begun.get('a')).toEqual(upTo(7));
    expect(overlaps).toBe(0);
  });

  test('a server that dies is followed by the next, which begins with what was not done', async () => {
    let told: unknown;
    const first = await run('far-1', ({ number }, signal) => {
      if (number < 2) return short();
      return new Promise((resolve) =>
        signal.addEventListener('abort', () => {
          told = signal.reason;
          resolve();
        }),
      );
    });
    for (const number of upTo(6)) await client().step(step('a', number));
    await eventually(() => begun.get('a')?.length === 3);
    await run('far-2', short);
    await first.transport.close();
    await eventually(done(['a'], 6));
    expect(begun.get('a')).toEqual([0, 1, 2, 2, 3, 4, 5]); // the one in hand came again
    expect(told).toMatchObject({ code: 'ConnectionLost' });
  });

  test('order is kept over a broken connection, by sender and servers alike', async () => {
    await run('far-1', short);
    await run('far-2', short);
    for (const number of upTo(5)) await client().step(step('a', number));
    bench.cut();
    await eventually(() => !near.connected);
    // These wait for the connection, and more come when it is there; what finds no server yet is refused, not reordered.
    const accepted = new Set(upTo(5));
    const send = (number: number) =>
      client()
        .step(step('a', number))
        .then(
          () => accepted.add(number),
          (error: unknown) => {
            if (!(error instanceof Unreachable)) throw error;
          },
        );
    const waiting = [5, 6, 7].map(send);
    bench.restore();
    await eventually(() => near.connected);
    waiting.push(send(8));
    await Promise.all(waiting);
    for (let number = 9; !accepted.has(number - 1) || number < 11; number++) await send(number);
    await eventually(() => [...accepted].every((number) => begun.get('a')?.includes(number)), 10_000);
    const firstTimes = (begun.get('a') ?? []).filter((number, index, all) => all.indexOf(number) === index);
    expect(firstTimes).toEqual([...accepted].toSorted((one, other) => one - other));
  });

  test('without a connection all of a key fail in the time of one, and no more wait than calls may', async () => {
    const impatient = await bench.connect('near', 'near-2', { connectWaitMs: 100, maxCalls: 50 });
    bench.cut();
    await eventually(() => !impatient.connected);
    const start = performance.now();
    const outcomes = await Promise.allSettled(
      upTo(60).map((number) => createClient(impatient, stepsContract(topic)).step(step('a', number))),
    );
    expect(performance.now() - start).toBeLessThan(3_000);
    const failures = outcomes.map((outcome) => (outcome.status === 'rejected' ? (outcome.reason as { code: string }).code : 'sent'));
    expect(failures.filter((code) => code === 'Unreachable')).toHaveLength(50);
    expect(failures.slice(50)).toEqual(upTo(10).map(() => 'Busy'));
  });

  test('messages to one server keep their order too', async () => {
    await run('far-1', short, 'host-1');
    await Promise.all(upTo(10).map((number) => client().at('host-1').step(step('a', number))));
    await eventually(done(['a'], 10));
    expect(begun.get('a')).toEqual(upTo(10));
    expect(overlaps).toBe(0);
  });

  test('with no server there is nobody to keep an order, and a key must be a short text', async () => {
    await expect(client().step(step('a', 0))).rejects.toBeInstanceOf(Unreachable);
    await expect(client().step(step('x'.repeat(257), 0))).rejects.toThrow(/orderedBy: expected a text of at most 256 characters/);
  });
}
