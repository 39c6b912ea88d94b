// What a transport promises of times that no timer and no message can have, and of signals that are none. Run by the tests of each.
import { afterEach, beforeEach, expect, test } from 'vitest';
import { call, createClient, defineContract, serve, stream, type Transport } from '../index.ts';
import { eventually, type Bench } from './bench.ts';
import { count, echoContract, echoHandlers, text, Text } from './echo.ts';

const MOST = 2_147_483_647;
const NO_TIMES = [Number.POSITIVE_INFINITY, 1e12, 3_000_000_000, MOST + 1, 0, -1, Number.NaN, '5' as unknown as number];

export function describeWaits(open: () => Promise<Bench>): void {
  let bench: Bench;
  let near: Transport;
  let far: Transport;
  let topics = 0;
  let topic = '';
  const release = new Set<() => void>();

  beforeEach(async () => {
    topic = `waits-${++topics}`;
    bench = await open();
    [near, far] = await Promise.all([bench.connect('near', 'near-1'), bench.connect('far', 'far-1')]);
    await serve(far, echoContract(topic), echoHandlers(release, {}), { graceMs: 0 });
  });
  afterEach(async () => {
    bench.restore();
    await bench.close();
    release.clear();
  });

  const client = () => createClient(near, echoContract(topic));

  test.each(NO_TIMES)('a request that may take %s ms is refused by name, and nobody else notices', async (timeoutMs) => {
    const other = client().hang({ ms: 1 });
    await eventually(() => release.size === 1);
    const refusal = {
      name: 'TypeError',
      message: expect.stringMatching(/timeoutMs: expected milliseconds above 0 and up to 2147483647 .*, got /) as string,
    };
    await expect(client().echo(text('?'), { timeoutMs })).rejects.toMatchObject(refusal);
    await expect(client().repeatable({ ms: 1 }, { timeoutMs })).rejects.toMatchObject(refusal);
    await expect(client().note(text('?'), { timeoutMs })).rejects.toMatchObject(refusal);
    await expect(client().news(text('?'), { timeoutMs })).rejects.toMatchObject(refusal);
    await expect(client().list(count(1), { timeoutMs })[Symbol.asyncIterator]().next()).rejects.toMatchObject(refusal);
    for (const act of release) act();
    await other;
  });

  test('the longest time is a time', async () => {
    const options = { timeoutMs: MOST };
    expect(await client().echo(text('!'), options)).toMatchObject({ text: '!' });
    await client().note(text('!'), options);
    for await (const items of client().list(count(1), options)) expect(items).toHaveLength(1);
  });

  test('a handler that was given more time than a timer holds is not told at once that it is over', async () => {
    let aborted: boolean | undefined;
    const long = `${topic}-long`;
    await serve(
      far,
      echoContract(long),
      echoHandlers(release, {
        echo: async (context, request) => {
          const { signal } = context;
          await new Promise((resolve) => setTimeout(resolve, 50));
          aborted = signal.aborted;
          return request;
        },
      }),
    );
    // What this side refuses to say, another may say.
    const send = near.send.bind(near);
    near.send = (message) =>
      send({ ...message, body: Buffer.from(message.body.toString().replace('"timeoutMs":7000', '"timeoutMs":3e12')) });
    await createClient(near, echoContract(long)).echo(text('?'), { timeoutMs: 7_000 });
    expect(aborted).toBe(false);
  });

  test.each([Number.NaN, undefined])('a context whose deadline is %s is refused, and one without end bounds nothing', async (deadline) => {
    const context = { requestId: 'r', deadline: deadline as number };
    const refusal = /context\.deadline: expected milliseconds since the epoch, or Infinity, got (NaN|undefined)/;
    await expect(client().echo(text('?'), { context })).rejects.toThrow(refusal);
    await expect(client().note(text('?'), { context })).rejects.toThrow(refusal);
    const endless = { requestId: 'r', deadline: Number.POSITIVE_INFINITY };
    expect(await client().echo(text('!'), { context: endless })).toMatchObject({ text: '!' });
  });

  test('a signal that is none is refused by name, and leaves nothing behind', async () => {
    const options = { signal: 5 as unknown as AbortSignal, timeoutMs: 20 };
    const refusal = /signal: expected an AbortSignal, got 5/;
    const refused = () =>
      Promise.all([
        expect(client().echo(text('?'), options)).rejects.toThrow(refusal),
        expect(client().repeatable({ ms: 1 }, options)).rejects.toThrow(refusal),
        expect(client().note(text('?'), options)).rejects.toThrow(refusal),
        expect(client().list(count(1), options)[Symbol.asyncIterator]().next()).rejects.toThrow(refusal),
      ]);
    await refused();
    bench.cut();
    await eventually(() => !near.connected);
    await refused();
    await new Promise((resolve) => setTimeout(resolve, 100)); // a timer that was left behind would end the process
  });

  test.each(NO_TIMES)('neither a contract, a client nor a transport may say %s ms', async (timeoutMs) => {
    const method = { since: '1.0', request: Text, timeoutMs };
    const define = (methods: Parameters<typeof defineContract>[0]['methods']) => () => defineContract({ topic, version: '1.0', methods });
    expect(define({ ask: call({ ...method, response: Text }) })).toThrow(/method waits-\d+\.ask: timeoutMs: expected milliseconds above 0/);
    expect(define({ all: stream({ ...method, item: Text }) })).toThrow(/method waits-\d+\.all: timeoutMs: expected milliseconds above 0/);
    expect(() => createClient(near, echoContract(topic), { timeoutMs })).toThrow(
      /client of waits-\d+: timeoutMs: expected milliseconds above 0/,
    );
    await expect(bench.connect('odd', 'odd-1', { callTimeoutMs: timeoutMs })).rejects.toThrow(
      /callTimeoutMs: expected milliseconds above 0/,
    );
    const found = typeof timeoutMs === 'string' ? '"5"' : String(timeoutMs);
    await expect(bench.connect('odd', 'odd-1', { streamTimeoutMs: timeoutMs })).rejects.toThrow(
      new RegExp(`got ${found.replace('+', '\\+')}$`),
    );
  });
}
