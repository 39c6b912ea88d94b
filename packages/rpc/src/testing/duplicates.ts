// What a transport promises of messages that come again to a server that remembers. Run by the tests of each.
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Calls } from '../client/calls.ts';
import { Busy, createClient, serve, ServiceError, type Handlers, type ServeOptions, type Transport } from '../index.ts';
import { eventually, tally as newTally, type Bench } from './bench.ts';
import { count, echoContract, echoHandlers, text, type EchoContract } from './echo.ts';

export function describeDuplicates(open: () => Promise<Bench>): void {
  let bench: Bench;
  let near: Transport;
  let far: Transport;
  let tally: ReturnType<typeof newTally>;
  let topics = 0;
  let topic = '';
  const release = new Set<() => void>();

  beforeEach(async () => {
    topic = `again-${++topics}`;
    tally = newTally();
    bench = await open();
    [near, far] = await Promise.all([
      bench.connect('near', 'near-1', { metrics: tally }),
      bench.connect('far', 'far-1', { metrics: tally }),
    ]);
  });
  beforeEach(() => void Calls.of(near)); // somebody counts the answers
  afterEach(async () => {
    for (const act of release) act();
    release.clear();
    await bench.close();
  });

  const run = (over: Partial<Handlers<EchoContract>>, options: ServeOptions = {}) =>
    serve(far, echoContract(topic), echoHandlers(release, over), { graceMs: 0, duplicates: {}, ...options });
  const held = <T>(answer: T) => new Promise<T>((resolve) => release.add(() => resolve(answer)));
  /** A message by hand, under an id of our choice; its answers are counted as late ones, for there is no such call. */
  const send = (kind: 'call' | 'cast', method: string, id: string, body: object = text('?')) =>
    near.sendConfirmed({
      exchange: 'internal',
      key: `${topic}.any`,
      body: Buffer.from(JSON.stringify({ kind, topic, method, version: '1.2', requestId: 'r', body })),
      correlationId: id,
      replyTo: near.replyKey,
      mandatory: true,
    });
  const answers = () => tally.counted('late_replies');
  const duplicates = () => tally.counted('duplicates');

  test('a call that comes again while it is worked on joins it, and afterwards gets the answer of before', async () => {
    let runs = 0;
    await run({ echo: (_context, request) => (runs++, held(request)) });
    await send('call', 'echo', 'one');
    await send('call', 'echo', 'one');
    await eventually(() => duplicates() === 1 && release.size === 1);
    for (const act of release) act();
    await eventually(() => answers() === 1);
    await send('call', 'echo', 'one');
    await eventually(() => answers() === 2);
    expect({ runs, duplicates: duplicates() }).toEqual({ runs: 1, duplicates: 2 });
    await send('call', 'echo', 'two');
    await eventually(() => runs === 2);
  });

  test('a large answer is the same the second time, whatever was sent in between', async () => {
    await run({ echo: (_context, request) => text(request.text.repeat(60_000)) });
    const replies: string[] = [];
    const ignore = () => undefined;
    near.attach({
      onReply: ({ body }) => void replies.push(body.toString('latin1')),
      onReturned: ignore,
      onBroken: ignore,
      onMended: ignore,
    });
    await send('call', 'echo', 'a', text('a'));
    await eventually(() => replies.length === 1);
    // All memory that was given back for other messages is written over.
    await Promise.all(Array.from({ length: 20 }, (_, index) => send('call', 'echo', `b${index}`, text('b'))));
    await eventually(() => replies.length === 21);
    await send('call', 'echo', 'a', text('a'));
    await eventually(() => replies.length === 22);
    expect(replies[0]).toContain('a'.repeat(60_000));
    expect(replies[21]).toBe(replies[0]);
    expect(duplicates()).toBe(1);
  });

  test('a failure of the application is an answer too, and a cast is done once', async () => {
    let runs = 0;
    const fail = () => {
      runs++;
      throw new ServiceError('no', 'no');
    };
    await run({ fail, note: fail });
    await send('call', 'fail', 'a');
    await eventually(() => answers() === 1);
    await send('call', 'fail', 'a');
    await eventually(() => answers() === 2);
    await send('cast', 'note', 'b');
    await send('cast', 'note', 'b');
    await eventually(() => duplicates() === 2);
    expect(runs).toBe(2);
  });

  test('what was refused was not done, and may come again', async () => {
    let runs = 0;
    await run({ hang: () => held({}), echo: (_context, request) => (runs++, request) }, { concurrency: 1, overloadLimit: 0 });
    const blocking = createClient(near, echoContract(topic)).hang({ ms: 1 });
    await eventually(() => release.size === 1);
    await send('call', 'echo', 'one');
    await eventually(() => tally.counted('refused', { code: new Busy('').code }) === 1);
    for (const act of release) act();
    await blocking;
    await send('call', 'echo', 'one');
    await eventually(() => runs === 1);
    expect(duplicates()).toBe(0);
  });

  test.each([
    { limit: 'the number of entries', duplicates: { entries: 1 } },
    { limit: 'the bytes of answers', duplicates: { bytes: 40 } },
  ])('$limit bounds what is remembered, and the oldest goes first', async ({ duplicates: limits }) => {
    const runs: string[] = [];
    await run({ echo: (_context, request) => (runs.push(request.text), request) }, { duplicates: limits });
    for (const [index, id] of ['one', 'two', 'two', 'one'].entries()) {
      await send('call', 'echo', id, text(id));
      await eventually(() => answers() === index + 1);
    }
    expect(runs).toEqual(['one', 'two', 'one']);
  });

  test('a request whose answer was cut off is done once, and its caller is answered after the reconnect', async () => {
    let runs = 0;
    await run({ repeatable: () => (runs++, held(count(7))) });
    const waiting = createClient(near, echoContract(topic)).repeatable({ ms: 1 }, { timeoutMs: 20_000 });
    await eventually(() => release.size === 1);
    bench.cut();
    await eventually(() => !near.connected && !far.connected);
    bench.restore();
    await eventually(() => near.connected && far.connected && duplicates() > 0);
    for (const act of release) act();
    expect((await waiting).count).toBe(7);
    expect(runs).toBe(1);
  });

  test('without the option a message that comes again is done again, and limits that cannot work are named', async () => {
    await expect(run({}, { duplicates: { windowMs: 0 } })).rejects.toThrow(
      /duplicates\.windowMs of again-\d+: expected a number above 0, got 0/,
    );
    let runs = 0;
    await serve(far, echoContract(topic), echoHandlers(release, { note: () => void runs++ }));
    await send('cast', 'note', 'one');
    await send('cast', 'note', 'one');
    await eventually(() => runs === 2);
  });
}
