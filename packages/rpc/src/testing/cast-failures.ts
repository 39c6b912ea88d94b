// What a transport promises of casts whose handler throws. Run by the tests of each.
import { afterEach, beforeEach, expect, test } from 'vitest';
import { cast, createClient, defineContract, Empty, serve, type CastFailure, type ServeOptions, type Transport } from '../index.ts';
import { eventually, tally as newTally, type Bench } from './bench.ts';
import { Text, text } from './echo.ts';

const FAST = { baseMs: 1, capMs: 4 };
const jobsContract = (topic: string, failure: CastFailure | undefined, own?: CastFailure) =>
  defineContract({
    topic,
    version: '1.0',
    delivery: failure === undefined ? {} : { failure },
    methods: {
      job: cast({ since: '1.0', request: Text, ...(own === undefined ? {} : { failure: own }) }),
      step: cast({ since: '1.0', request: Text, orderedBy: () => 'one' }),
      other: cast({ since: '1.0', request: Empty }),
    },
  });

export function describeCastFailures(open: () => Promise<Bench>): void {
  let bench: Bench;
  let near: Transport;
  let far: Transport;
  let tally: ReturnType<typeof newTally>;
  let topics = 0;
  let topic = '';
  let seen: string[] = [];
  let others = 0;

  beforeEach(async () => {
    topic = `jobs-${++topics}`;
    seen = [];
    others = 0;
    tally = newTally();
    bench = await open();
    [near, far] = await Promise.all([bench.connect('near', 'near-1'), bench.connect('far', 'far-1', { metrics: tally })]);
  });
  afterEach(() => bench.close());

  /** A job fails as long as `fails` says so. */
  const run = (contract: ReturnType<typeof jobsContract>, fails: (attempt: number) => boolean, options: ServeOptions = {}, on = far) => {
    const job = (_: unknown, request: Text) => {
      seen.push(request.text);
      if (fails(seen.filter((each) => each === request.text).length)) throw new TypeError('it does not fit');
    };
    return serve(on, contract, { job, step: job, other: () => void others++ }, { graceMs: 1_000, ...options });
  };

  test('a cast that fails is put aside with its reason, once', async () => {
    const contract = jobsContract(topic, undefined);
    await run(contract, () => true);
    await createClient(near, contract).job(text('bad'));
    await expect
      .poll(() => bench.deadReasons(), { timeout: 5_000 })
      .toEqual(['1 attempt failed, the last with TypeError: it does not fit']);
    expect(seen).toEqual(['bad']);
    expect(tally.counted('dead_lettered')).toBe(1);
  });

  test('one that works at a later attempt is over, one that never does is put aside after its last, and others do not wait', async () => {
    const contract = jobsContract(topic, { attempts: 2, ...FAST }, { attempts: 3, baseMs: 20, capMs: 30 });
    await run(contract, (attempt) => attempt < 3, { concurrency: 1 });
    await createClient(near, contract).job(text('late'));
    await createClient(near, contract).other(new Empty());
    await eventually(() => seen.length === 3);
    expect(others).toBe(1);
    expect(await bench.deadReasons()).toEqual([]);
    const stubborn = jobsContract(`${topic}-b`, { attempts: 3, ...FAST });
    await run(stubborn, () => true);
    await createClient(near, stubborn).job(text('never'));
    await expect
      .poll(() => bench.deadReasons(), { timeout: 5_000 })
      .toEqual(['3 attempts failed, the last with TypeError: it does not fit']);
    expect(seen.filter((each) => each === 'never')).toHaveLength(3);
  });

  test('a contract whose casts are remembered elsewhere lets failed ones drop', async () => {
    const contract = jobsContract(topic, { outcome: 'drop', attempts: 2, ...FAST });
    await run(contract, () => true);
    await createClient(near, contract).job(text('bad'));
    await eventually(() => seen.length === 2 && tally.counted('handler_errors') === 2);
    await createClient(near, contract).other(new Empty());
    await eventually(() => others === 1);
    expect(await bench.deadReasons()).toEqual([]);
  });

  test('how many wait for another attempt is bounded, and what fails above that is put aside at once', async () => {
    const contract = jobsContract(topic, { attempts: 2, baseMs: 60_000, capMs: 60_000 });
    await run(contract, () => true, { maxRetrying: 1 });
    await createClient(near, contract).job(text('rests'));
    await eventually(() => seen.length === 1);
    await createClient(near, contract).job(text('dies'));
    await expect
      .poll(() => bench.deadReasons(), { timeout: 5_000 })
      .toEqual(['1 attempt failed, the last with TypeError: it does not fit']);
  });

  test('a server that stops hands back what waits for another attempt, without waiting for it', async () => {
    const contract = jobsContract(topic, { attempts: 2, baseMs: 60_000, capMs: 60_000 });
    const first = await run(contract, (attempt) => attempt === 1);
    await createClient(near, contract).job(text('moves'));
    await createClient(near, contract).step(text('too'));
    await eventually(() => seen.length === 2);
    await run(contract, () => false, {}, await bench.connect('far', 'far-2'));
    await first.stop();
    await eventually(() => seen.length === 4);
    expect(seen.toSorted()).toEqual(['moves', 'moves', 'too', 'too']);
    expect(await bench.deadReasons()).toEqual([]);
  });

  test('a message that keeps its order holds those behind it until it works or is put aside', async () => {
    const contract = jobsContract(topic, { attempts: 3, ...FAST });
    await run(contract, (attempt) => attempt < 4 && seen.at(-1) === 'first');
    const steps = createClient(near, contract);
    await steps.step(text('first'));
    await steps.step(text('second'));
    await eventually(() => seen.includes('second'));
    expect(seen).toEqual(['first', 'first', 'first', 'second']);
    await expect.poll(() => bench.deadReasons(), { timeout: 5_000 }).toHaveLength(1);
  });

  test('a policy that cannot work is refused by name', () => {
    expect(() => jobsContract('jobs', { attempts: 0 })).toThrow(
      /delivery of jobs: failure\.attempts: expected a whole number of at least 1, got 0/,
    );
    expect(() => jobsContract('jobs', undefined, { outcome: 'retry' as never })).toThrow(
      /method jobs\.job: failure\.outcome: expected 'dead-letter' or 'drop', got "retry"/,
    );
    expect(() => jobsContract('jobs', undefined, { baseMs: 10, capMs: 5 })).toThrow(/failure\.baseMs/);
  });
}
