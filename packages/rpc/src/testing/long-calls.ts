// What a transport promises of calls that last, and of calls to nobody. Run by the tests of each.
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Cancelled, ConnectionLost, createClient, serve, Unreachable, type Handlers, type Transport } from '../index.ts';
import { eventually, type Bench } from './bench.ts';
import { count, echoContract, echoHandlers, text, type EchoContract } from './echo.ts';

const BEAT_MS = 200;

export function describeLongCalls(open: () => Promise<Bench>): void {
  let bench: Bench;
  let near: Transport;
  let far: Transport;
  let topics = 0;
  let topic = '';
  const release = new Set<() => void>();

  beforeEach(async () => {
    topic = `long-${++topics}`;
    bench = await open();
    near = await bench.connect('near', 'near-1', { beatMs: BEAT_MS });
    far = await bench.connect('far', 'far-1');
  });
  afterEach(async () => {
    for (const act of release) act();
    release.clear();
    await bench.close();
  });

  const client = () => createClient(near, echoContract(topic));
  const run = (over: Partial<Handlers<EchoContract>> = {}, on = far) =>
    serve(on, echoContract(topic), echoHandlers(release, over), { concurrency: 1, graceMs: 0 });

  test.each([
    { when: 'at once', afterMs: 0 },
    { when: 'after a while', afterMs: 2 * BEAT_MS },
  ])('a call that is given up $when aborts the signal of its handler', async ({ afterMs }) => {
    const reasons: unknown[] = [];
    await run({
      hang: (context) =>
        new Promise((_resolve, reject) =>
          context.signal.addEventListener('abort', () => {
            reasons.push(context.signal.reason);
            reject(context.signal.reason as Error);
          }),
        ),
    });
    const giveUp = new AbortController();
    const waiting = client().hang({ ms: 1 }, { signal: giveUp.signal, timeoutMs: 20_000 });
    setTimeout(() => giveUp.abort(new Error('changed my mind')), afterMs);
    await expect(waiting).rejects.toThrow('changed my mind');
    await eventually(() => reasons.length === 1);
    expect(reasons[0]).toBeInstanceOf(Cancelled);
    expect(await client().echo(text('free again'))).toMatchObject({ text: 'free again' });
  });

  test('a call that is given up while it waits for its turn never runs', async () => {
    let runs = 0;
    await run({ repeatable: () => count(++runs) });
    const blocking = client().hang({ ms: 1 });
    await eventually(() => release.size === 1);
    const giveUp = new AbortController();
    const waiting = client().repeatable({ ms: 1 }, { signal: giveUp.signal });
    setTimeout(() => giveUp.abort(new Error('no longer')), BEAT_MS);
    await expect(waiting).rejects.toThrow('no longer');
    await new Promise((resolve) => setTimeout(resolve, BEAT_MS)); // for the word to arrive
    for (const act of release) act();
    await blocking;
    expect((await client().repeatable({ ms: 1 })).count).toBe(1);
  });

  test('a call may last many beats as long as its server lives', async () => {
    await run();
    const waiting = client().hang({ ms: 1 }, { timeoutMs: 20_000 });
    setTimeout(() => release.forEach((act) => act()), 5 * BEAT_MS);
    await expect(waiting).resolves.toBeDefined();
  });

  test('the death of a server is known after two beats, not at the deadline', async () => {
    await run();
    const waiting = client().hang({ ms: 1 }, { timeoutMs: 20_000 });
    waiting.catch(() => undefined);
    await eventually(() => release.size === 1);
    await new Promise((resolve) => setTimeout(resolve, BEAT_MS)); // the caller has heard of it
    const start = performance.now();
    await far.close();
    await expect(waiting).rejects.toBeInstanceOf(ConnectionLost);
    expect(performance.now() - start).toBeLessThan(5_000);
  });

  test('a repeatable call whose server died is taken over by another', async () => {
    await run({ repeatable: () => new Promise(() => undefined) });
    const waiting = client().repeatable({ ms: 1 }, { timeoutMs: 20_000 });
    await new Promise((resolve) => setTimeout(resolve, BEAT_MS));
    const heir = await bench.connect('far', 'far-2');
    await far.close();
    await run({ repeatable: () => count(2) }, heir);
    expect((await waiting).count).toBe(2);
  });

  test('a stream may give nothing for many beats as long as its server lives', async () => {
    await run({
      async *list() {
        yield [text('first')];
        await new Promise<void>((resolve) => release.add(resolve));
        yield [text('last')];
      },
    });
    setTimeout(() => release.forEach((act) => act()), 5 * BEAT_MS);
    const got: string[] = [];
    for await (const items of client().list(count(1), { timeoutMs: 20_000 })) got.push(...items.map((item) => item.text));
    expect(got).toEqual(['first', 'last']);
  });

  test('the death of a server in the middle of a stream is known after two beats, not at the deadline', async () => {
    let begun = false;
    await run({
      async *list() {
        yield [text('first')];
        begun = true;
        await new Promise<void>((resolve) => release.add(resolve));
      },
    });
    const reading = (async () => {
      for await (const items of client().list(count(1), { timeoutMs: 20_000 })) expect(items).toHaveLength(1);
    })();
    reading.catch(() => undefined);
    await eventually(() => begun);
    await new Promise((resolve) => setTimeout(resolve, 2 * BEAT_MS)); // the reader has heard of it
    const start = performance.now();
    await far.close();
    await expect(reading).rejects.toBeInstanceOf(ConnectionLost);
    expect(performance.now() - start).toBeLessThan(5_000);
  });

  test('a stream that is given up before its first item aborts the signal of its handler', async () => {
    const reasons: unknown[] = [];
    await run({
      async *list(context) {
        await new Promise<void>((resolve) => context.signal.addEventListener('abort', () => resolve()));
        reasons.push(context.signal.reason);
        yield [text('too late')];
      },
    });
    const giveUp = new AbortController();
    const reading = (async () => {
      for await (const items of client().list(count(1), { signal: giveUp.signal, timeoutMs: 20_000 })) expect(items).toEqual([]);
    })();
    setTimeout(() => giveUp.abort(new Error('changed my mind')), 2 * BEAT_MS);
    await expect(reading).rejects.toThrow('changed my mind');
    await eventually(() => reasons.length === 1);
    expect(reasons[0]).toBeInstanceOf(Cancelled);
  });

  test('a call to nobody is known to be one before the next answer comes', async () => {
    await run();
    await client().echo(text('warm'));
    await expect(client().at('nobody').echo(text('warm'))).rejects.toBeInstanceOf(Unreachable);
    const order: string[] = [];
    const toNobody = client()
      .at('nobody')
      .echo(text('?'), { timeoutMs: 20_000 })
      .catch((error: unknown) => {
        order.push('unreachable');
        return error;
      });
    // Twice, for the question whether somebody listens may be asked beside the first.
    await client().echo(text('!'));
    await client().echo(text('!'));
    order.push('answered');
    expect(await toNobody).toMatchObject({ code: 'Unreachable', details: { key: `${topic}.to.nobody` } });
    expect(order).toEqual(['unreachable', 'answered']);
  });
}
