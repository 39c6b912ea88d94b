// What a transport promises of calls that may be tried again. Run by the tests of each.
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  Busy,
  call,
  createClient,
  DeadlineExceeded,
  defineContract,
  Empty,
  serve,
  ServiceError,
  type ClientOptions,
  type Handlers,
  type ServeOptions,
  type Transport,
} from '../index.ts';
import { eventually, tally as newTally, type Bench } from './bench.ts';
import { Text, text } from './echo.ts';

const stubborn = (topic: string) =>
  defineContract({
    topic,
    version: '1.0',
    methods: {
      ask: call({ since: '1.0', request: Text, response: Text, idempotent: true, retry: { attempts: 40, baseMs: 20, capMs: 40 } }),
      hang: call({ since: '1.0', request: Empty, response: Empty }),
    },
  });
type Stubborn = ReturnType<typeof stubborn>;

export function describeRetries(open: () => Promise<Bench>): void {
  let bench: Bench;
  let near: Transport;
  let far: Transport;
  let tally: ReturnType<typeof newTally>;
  let topics = 0;
  let topic = '';
  const release = new Set<() => void>();

  beforeEach(async () => {
    topic = `stubborn-${++topics}`;
    tally = newTally();
    bench = await open();
    near = await bench.connect('near', 'near-1', { metrics: tally });
    far = await bench.connect('far', 'far-1');
  });
  afterEach(async () => {
    for (const act of release) act();
    release.clear();
    await bench.close();
  });

  const client = (options: ClientOptions = {}) => createClient(near, stubborn(topic), { retryBudget: { burst: 40 }, ...options });
  const run = (over: Partial<Handlers<Stubborn>> = {}, options: ServeOptions = {}) =>
    serve(
      far,
      stubborn(topic),
      {
        ask: (_context, request) => request,
        hang: () => new Promise((resolve) => release.add(() => resolve(new Empty()))),
        ...over,
      },
      { graceMs: 0, ...options },
    );
  /** A server with its one pair of hands full. */
  const runFull = async (over: Partial<Handlers<Stubborn>> = {}) => {
    await run(over, { concurrency: 1, overloadLimit: 0 });
    const blocking = client().hang(new Empty());
    blocking.catch(() => undefined); // the end of the test may cut it off
    await eventually(() => release.size === 1);
    return { blocking };
  };

  test('a call that meets a full server is tried again until there is room, and runs once', async () => {
    let runs = 0;
    const { blocking } = await runFull({ ask: (_context, request) => (runs++, request) });
    const waiting = client().ask(text('!'));
    await eventually(() => tally.counted('retried') > 0);
    for (const act of release) act();
    expect(await waiting).toEqual(text('!'));
    await blocking;
    expect(runs).toBe(1);
  });

  test('a call to nobody is tried again, and reaches the server that comes', async () => {
    const waiting = client().ask(text('!'));
    await eventually(() => tally.counted('retried') > 0);
    await run();
    expect(await waiting).toEqual(text('!'));
  });

  test('what another attempt cannot cure is not tried again', async () => {
    await run({
      ask: async (_context, { text: word }) => {
        if (word === 'fail') throw new ServiceError('no', 'no');
        return new Promise(() => undefined);
      },
    });
    await expect(client().ask(text('fail'))).rejects.toBeInstanceOf(ServiceError);
    await expect(client().ask(text('hang'), { timeoutMs: 100 })).rejects.toBeInstanceOf(DeadlineExceeded);
    await expect(client().hang(new Empty(), { timeoutMs: 100 })).rejects.toBeInstanceOf(DeadlineExceeded);
    expect(tally.counted('retried')).toBe(0);
  });

  test('all attempts share one deadline, and none goes on after it', async () => {
    const start = performance.now();
    const failure: unknown = await client()
      .ask(text('?'), { timeoutMs: 500 })
      .catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: expect.stringMatching(/^(Unreachable|DeadlineExceeded)$/) as string });
    expect(performance.now() - start).toBeLessThan(5_000);
    expect(tally.counted('retried')).toBeGreaterThan(0);
  });

  test('an abort ends the wait for the next attempt', async () => {
    const stop = new AbortController();
    const waiting = client().ask(text('?'), { signal: stop.signal });
    await eventually(() => tally.counted('retried') > 0);
    stop.abort(new Error('changed my mind'));
    await expect(waiting).rejects.toThrow('changed my mind');
  });

  test('retries stop when the budget of the client is used up', async () => {
    await runFull();
    const poor = client({ retryBudget: { ratio: 0.1, burst: 2 } });
    const outcomes = await Promise.allSettled(Array.from({ length: 20 }, () => poor.ask(text('?'))));
    for (const outcome of outcomes) expect(outcome).toMatchObject({ status: 'rejected', reason: expect.any(Busy) as Busy });
    expect(tally.counted('retried')).toBeGreaterThan(0);
    expect(tally.counted('retried')).toBeLessThanOrEqual(4); // the burst, and a tenth of the calls
    expect(tally.counted('retry_budget_exhausted')).toBe(20);
  });
}
