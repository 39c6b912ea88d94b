// What a transport promises, whichever it is. Run by the tests of each.
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  Busy,
  ConnectionLost,
  createClient,
  DeadlineExceeded,
  Empty,
  MessageTooLarge,
  NoSuchMethod,
  NotAuthorized,
  serve,
  ServiceError,
  Unreachable,
  UnsupportedVersion,
  type Handlers,
  type ServeOptions,
  type Server,
  type Transport,
} from '../index.ts';
import { eventually, type Bench } from './bench.ts';
import { count, echoContract, echoHandlers, text, Text, type EchoContract } from './echo.ts';

export function describeTransport(open: () => Promise<Bench>): void {
  let bench: Bench;
  let near: Transport;
  let far: Transport;
  const opened: { close(): Promise<void> }[] = [];
  let topics = 0;
  let topic = '';

  beforeEach(async () => {
    topic = `echo-${++topics}`;
    bench = await open();
    [near, far] = await Promise.all([bench.connect('near', 'near-1'), bench.connect('far', 'far-1')]);
  });
  afterEach(async () => {
    bench.restore();
    for (const part of opened.splice(0).toReversed()) await part.close();
    await bench.close();
  });

  const release = new Set<() => void>();
  const run = async (
    over: Partial<Handlers<EchoContract>> = {},
    options: ServeOptions & { version?: string; on?: Transport } = {},
  ): Promise<Server> => {
    const { version = '1.2', on = far, ...rest } = options;
    const server = await serve(on, echoContract(topic, version), echoHandlers(release, over), rest);
    opened.push({
      close: () => {
        for (const act of release) act();
        release.clear();
        return server.stop();
      },
    });
    return server;
  };
  const client = (options: { pin?: string; version?: string } = {}) =>
    createClient(near, echoContract(topic, options.version), options.pin === undefined ? {} : { pin: options.pin });

  test('a call brings back the answer as an instance of its class', async () => {
    await run();
    const answer = await client().echo(text('grüße 🌍'));
    expect(answer).toBeInstanceOf(Text);
    expect(answer).toEqual({ text: 'grüße 🌍', tone: 'plain' });
  });

  test('a call to nobody fails at once as unreachable', async () => {
    await expect(client().echo(text('?'))).rejects.toBeInstanceOf(Unreachable); // the first pays for warming up
    const start = performance.now();
    await expect(client().echo(text('?'))).rejects.toBeInstanceOf(Unreachable);
    await expect(client().at('nobody').echo(text('?'))).rejects.toBeInstanceOf(Unreachable);
    expect((performance.now() - start) / 2).toBeLessThan(50);
  });

  test('a cast to nobody is rejected, a fanout to nobody is not', async () => {
    await expect(client().note(text('?'))).rejects.toBeInstanceOf(Unreachable);
    await expect(client().news(text('?'))).resolves.toBeUndefined();
  });

  test('a server that has stopped is unreachable at once', async () => {
    const server = await run({}, { server: 'host-1' });
    await client().at('host-1').echo(text('!'));
    await server.stop();
    await new Promise((resolve) => setTimeout(resolve, bench.noticeMs));
    await expect(client().at('host-1').echo(text('?'))).rejects.toBeInstanceOf(Unreachable);
  });

  test('at(server) reaches that server and no other', async () => {
    const other = await bench.connect('far', 'far-2');
    opened.push(other);
    await run({ echo: () => text('one') }, { server: 'host-1' });
    await run({ echo: () => text('two') }, { server: 'host.2', on: other });
    for (let round = 0; round < 3; round++) {
      expect((await client().at('host-1').echo(text('?'))).text).toBe('one');
      expect((await client().at('host.2').echo(text('?'))).text).toBe('two');
    }
  });

  test('servers of one topic share the work, and each gets the news', async () => {
    const other = await bench.connect('far', 'far-2');
    opened.push(other);
    const seen: string[] = [];
    const news: string[] = [];
    const noting = (name: string) => ({
      note: (_: unknown, request: Text) => void seen.push(request.text),
      news: (_: unknown, request: Text) => void news.push(`${name} ${request.text}`),
    });
    await run(noting('one'));
    await run(noting('two'), { on: other });
    await Promise.all(Array.from({ length: 20 }, (_, index) => client().note(text(String(index)))));
    await client().news(text('hear'));
    await eventually(() => seen.length === 20 && news.length === 2);
    expect(seen.map(Number).toSorted((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, index) => index));
    expect(news.toSorted()).toEqual(['one hear', 'two hear']);
  });

  test('a large answer comes in bounded pieces, in order and whole', async () => {
    await run();
    const sizes: number[] = [];
    const got: string[] = [];
    for await (const items of client().list(count(1_234))) {
      sizes.push(items.length);
      got.push(...items.map((item) => item.text));
    }
    expect(got).toEqual(Array.from({ length: 1_234 }, (_, index) => `item ${index}`));
    expect(Math.max(...sizes)).toBe(100);
  });

  test('pieces of a stream also keep the limit of bytes', async () => {
    await run({ list: () => [Array.from({ length: 90 }, (_, index) => text(`${index}`.padEnd(5_000, '.')))] });
    const sizes: number[] = [];
    for await (const items of client().list(count(90))) sizes.push(items.length);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(90);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(13); // 64 KiB of 5 kB items
  });

  test('an empty stream ends, and a failing one fails where it broke', async () => {
    await run({
      async *list(_context, request) {
        if (request.count === 0) return;
        yield [text('first')];
        await Promise.resolve();
        throw new ServiceError('cut_short', 'no more');
      },
    });
    for await (const items of client().list(count(0))) expect(items).toEqual([]);
    await expect(
      (async () => {
        for await (const items of client().list(count(1))) expect(items.length).toBe(1);
      })(),
    ).rejects.toMatchObject({ code: 'cut_short' });
  });

  test('a reader that leaves a stream stops its sender, which was never far ahead', async () => {
    let made = 0;
    let stopped = false;
    await run({
      async *list() {
        try {
          for (;;) yield Array.from({ length: 100 }, () => text(String(made++)));
        } finally {
          stopped = true;
        }
      },
    });
    for await (const items of client().list(count(1))) {
      expect(items.length).toBe(100);
      break;
    }
    await eventually(() => stopped);
    expect(made).toBeLessThanOrEqual(100 * (near.limits.streamWindow + 4));
  });

  test('the request id and the deadline travel, and the deadline only shrinks', async () => {
    await run();
    const seen = await client().look(new Empty(), { requestId: 'req-7', timeoutMs: 20_000 });
    expect(seen.requestId).toBe('req-7');
    expect(seen.remainingMs).toBeGreaterThan(15_000);
    expect(seen.remainingMs).toBeLessThanOrEqual(20_001);
    const inner = await client().look(new Empty(), { context: { requestId: 'req-8', deadline: Date.now() + 3_000 }, timeoutMs: 20_000 });
    expect(inner.requestId).toBe('req-8');
    expect(inner.remainingMs).toBeLessThanOrEqual(3_001);
  });

  test('a handler that takes too long: the caller is told at the deadline, the handler by its signal', async () => {
    let reason: unknown;
    await run({
      hang: (context) =>
        new Promise((_resolve, reject) => context.signal.addEventListener('abort', () => reject((reason = context.signal.reason)))),
    });
    const start = performance.now();
    await expect(client().hang({ ms: 1 }, { timeoutMs: 100 })).rejects.toBeInstanceOf(DeadlineExceeded);
    expect(performance.now() - start).toBeLessThan(2_000);
    await eventually(() => reason instanceof DeadlineExceeded);
  });

  test('a deadline that has passed sends nothing', async () => {
    let calls = 0;
    await run({ echo: (_context, request) => (calls++, request) });
    await expect(client().echo(text('?'), { context: { requestId: 'r', deadline: Date.now() - 1 } })).rejects.toBeInstanceOf(
      DeadlineExceeded,
    );
    await client().echo(text('!'));
    expect(calls).toBe(1);
  });

  test('a request that expired while it waited is dropped without effect', async () => {
    let calls = 0;
    await run({ echo: (_context, request) => (calls++, request) }, { concurrency: 1 });
    const blocking = client().hang({ ms: 1 });
    await eventually(() => release.size === 1);
    await expect(client().echo(text('late'), { timeoutMs: 50 })).rejects.toBeInstanceOf(DeadlineExceeded);
    await new Promise((resolve) => setTimeout(resolve, 100)); // the server counts the 50 ms from the arrival
    for (const act of release) act();
    await blocking;
    await client().echo(text('next'));
    expect(calls).toBe(1);
  });

  test('an abort rejects the call at once with its reason', async () => {
    await run();
    const stop = new AbortController();
    const waiting = client().hang({ ms: 1 }, { signal: stop.signal });
    await eventually(() => release.size === 1);
    stop.abort(new Error('changed my mind'));
    await expect(waiting).rejects.toThrow('changed my mind');
    await expect(client().echo(text('?'), { signal: stop.signal })).rejects.toThrow('changed my mind');
  });

  test('a cast that fails is over, and the server goes on', async () => {
    let notes = 0;
    await run({
      note: () => {
        notes++;
        throw new Error('no');
      },
    });
    await client().note(text('1'));
    await client().note(text('2'));
    await eventually(() => notes === 2);
    await client().echo(text('alive'));
    expect(notes).toBe(2);
  });

  test('an older server refuses a newer message by name, before any effect', async () => {
    let calls = 0;
    await run({ echo: (_context, request) => (calls++, request), note: () => void calls++ }, { version: '1.1' });
    const error = await client({ version: '1.2' })
      .echo(text('?'))
      .catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(UnsupportedVersion);
    expect(error).toMatchObject({ details: { asked: '1.2', supported: '1.1' } });
    await client({ version: '1.2' }).note(text('refused'));
    await client({ version: '1.1' }).echo(text('fine'));
    expect(calls).toBe(1);
  });

  test('a pinned client speaks the older form and refuses what its peers have not learned', async () => {
    await run({ echo: (context, request) => text(`${context.version} ${request.tone}`) });
    const pinned = client({ pin: '1.1' });
    expect((await pinned.echo(Object.assign(text('x'), { tone: 'loud' }))).text).toBe('1.1 plain');
    expect(pinned.supports('shout')).toBe(false);
    expect(pinned.supports('echo')).toBe(true);
    await expect(pinned.shout?.(text('x'))).rejects.toBeInstanceOf(UnsupportedVersion);
    expect(() => client({ pin: '2.0' })).toThrow(UnsupportedVersion);
    expect(() => client({ pin: '1.3' })).toThrow(UnsupportedVersion);
  });

  test('a method that the server does not have is refused by name', async () => {
    await run({}, { version: '1.1' });
    const newer = createClient(near, {
      ...echoContract(topic, '1.2'),
      version: '1.1',
      methods: { shout: { ...echoContract(topic).methods.echo } },
    });
    await expect(newer.shout(text('?'))).rejects.toBeInstanceOf(NoSuchMethod);
  });

  test('no more handlers run than allowed, and calls above the limit are answered busy', async () => {
    let running = 0;
    let most = 0;
    await run(
      {
        hang: async () => {
          most = Math.max(most, ++running);
          await new Promise<void>((resolve) => release.add(resolve));
          running--;
          return new Empty();
        },
      },
      { concurrency: 2, overloadLimit: 3 },
    );
    const calls = Array.from({ length: 9 }, () => client().hang({ ms: 1 }));
    const outcomes = Promise.allSettled(calls);
    let busy = 0;
    for (const one of calls) one.catch((error: unknown) => void (busy += error instanceof Busy ? 1 : 0));
    await eventually(() => busy === 4 && release.size === 2);
    while (release.size > 0 || running > 0) {
      for (const act of release) act();
      release.clear();
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect((await outcomes).filter(({ status }) => status === 'fulfilled')).toHaveLength(5);
    expect(most).toBe(2);
  });

  test('authorize refuses before the handler runs', async () => {
    let calls = 0;
    await run(
      { echo: (_context, request) => (calls++, request) },
      {
        authorize: (method) => {
          if (method === 'echo') throw new Error('not for you');
        },
      },
    );
    const error = await client()
      .echo(text('?'))
      .catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(NotAuthorized);
    expect(error).toMatchObject({ message: 'not for you' });
    expect(calls).toBe(0);
  });

  test('the handler sees the authenticated account of its caller', async () => {
    await run();
    expect((await client().look(new Empty())).caller).not.toBe('');
  });

  test('a server that knows where answers to an account go answers there, and refuses what names another place without a word', async () => {
    let calls = 0;
    const echo = (_context: unknown, request: Text) => (calls++, request);
    const server = await run({ echo }, { repliesTo: () => 'reply.near.near-1' });
    expect(await client().echo(text('here'))).toMatchObject({ text: 'here' });
    await server.stop();
    await run({ echo }, { repliesTo: () => 'reply.near.another' });
    await expect(client().echo(text('there'), { timeoutMs: 300 })).rejects.toMatchObject({ code: 'DeadlineExceeded' });
    expect(calls).toBe(1);
  });

  test('messages above the limit fail where they are made', async () => {
    await run({ echo: () => text('x'.repeat(300_000)) });
    await expect(client().echo(text('x'.repeat(300_000)))).rejects.toMatchObject({ code: 'MessageTooLarge', details: { limit: 262_144 } });
    await expect(client().note(text('x'.repeat(300_000)))).rejects.toBeInstanceOf(MessageTooLarge);
    await expect(client().echo(text('small'))).rejects.toBeInstanceOf(MessageTooLarge);
  });

  test('a request of the wrong shape does not leave, a wrong answer does not arrive', async () => {
    await run({ echo: () => ({ text: 7 }) as never });
    await expect(client().echo({ text: 7 } as never)).rejects.toMatchObject({ code: 'MalformedMessage', details: { path: 'Text.text' } });
    await expect(client().echo(text('?'))).rejects.toMatchObject({ code: 'RemoteError', remoteName: 'MalformedMessage' });
  });

  test('stop lets what is in hand finish, and hands back what does not', async () => {
    const server = await run();
    const waiting = client().hang({ ms: 1 });
    await eventually(() => release.size === 1);
    const stopping = server.stop();
    for (const act of release) act();
    await expect(waiting).resolves.toBeInstanceOf(Empty);
    await stopping;
    const other = await bench.connect('far', 'far-2');
    opened.push(other);
    const impatient = await run({}, { graceMs: 50 });
    const handedOver = client().hang({ ms: 1 });
    await eventually(() => release.size === 2);
    await run({ hang: () => new Empty() }, { on: other });
    await impatient.stop();
    await expect(handedOver).resolves.toBeInstanceOf(Empty);
  });

  test('whatever is asked of a closed transport is refused at once, for that reason', async () => {
    await run({}, { on: near });
    await near.close();
    const start = performance.now();
    const closed = { code: 'Unreachable', message: 'this transport is closed' };
    await expect(client().echo(text('?'))).rejects.toMatchObject(closed);
    await expect(client().note(text('?'))).rejects.toMatchObject(closed);
    await expect(client().news(text('?'))).rejects.toMatchObject(closed);
    await expect(client().list(count(1))[Symbol.asyncIterator]().next()).rejects.toMatchObject(closed);
    await expect(run({}, { on: near })).rejects.toMatchObject(closed);
    expect(performance.now() - start).toBeLessThan(near.limits.connectWaitMs / 2);
  });

  test('calls beyond the limit in flight are refused here', async () => {
    const small = await bench.connect('near', 'near-2', { maxCalls: 2 });
    opened.push(small);
    await run();
    const limited = createClient(small, echoContract(topic));
    const waiting = [limited.hang({ ms: 1 }), limited.hang({ ms: 1 })];
    await expect(limited.echo(text('?'))).rejects.toBeInstanceOf(Busy);
    await eventually(() => release.size === 2);
    for (const act of release) act();
    await Promise.all(waiting);
  });

  test('when the connection breaks calls in flight fail at once, repeatable ones are sent again, and work goes on', async () => {
    let calls = 0;
    let through = false; // the answer of a redelivered request may find its caller not yet back: a resent one must not wait
    await run(
      {
        repeatable: async () => {
          calls++;
          if (!through) await new Promise<void>((resolve) => release.add(resolve));
          return count(calls);
        },
      },
      { server: 'host-1' },
    );
    const lost = client().hang({ ms: 1 });
    const repeated = client().repeatable({ ms: 1 });
    await eventually(() => release.size === 2);
    bench.cut();
    await expect(lost).rejects.toBeInstanceOf(ConnectionLost);
    expect(near.connected).toBe(false);
    bench.restore();
    await eventually(() => calls >= 2);
    through = true;
    for (const act of release) act();
    expect((await repeated).count).toBeGreaterThanOrEqual(2);
    await eventually(() => near.connected && far.connected);
    await client().at('host-1').echo(text('again'));
  });

  test('without a connection calls and casts fail in bounded time', async () => {
    const impatient = await bench.connect('near', 'near-2', { connectWaitMs: 100 });
    opened.push(impatient);
    await run();
    bench.cut();
    await eventually(() => !impatient.connected);
    const start = performance.now();
    await expect(createClient(impatient, echoContract(topic)).echo(text('?'))).rejects.toBeInstanceOf(Unreachable);
    await expect(createClient(impatient, echoContract(topic)).note(text('?'))).rejects.toBeInstanceOf(Unreachable);
    expect(performance.now() - start).toBeLessThan(2_000);
  });
}
