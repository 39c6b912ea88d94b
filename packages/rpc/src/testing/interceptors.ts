// What a transport promises of interceptors and metadata. Run by the tests of each.
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  Busy,
  createClient,
  MessageTooLarge,
  NotAuthorized,
  RemoteError,
  serve,
  ServiceError,
  type ClientInterceptor,
  type Context,
  type Handlers,
  type IncomingCall,
  type OutgoingCall,
  type ServeOptions,
  type ServerInterceptor,
  type Transport,
} from '../index.ts';
import { eventually, type Bench } from './bench.ts';
import { count, echoContract, echoHandlers, text, type EchoContract } from './echo.ts';

const TRACEPARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

export function describeInterceptors(open: () => Promise<Bench>): void {
  let bench: Bench;
  let near: Transport;
  let far: Transport;
  let topics = 0;
  let topic = '';
  const order: string[] = [];
  const atTransport: { client: ClientInterceptor; server: ServerInterceptor } = {
    client: (_call, next) => next(),
    server: (_call, next) => next(),
  };

  beforeEach(async () => {
    topic = `intercepted-${++topics}`;
    order.length = 0;
    atTransport.client = (_call, next) => next();
    atTransport.server = (_call, next) => next();
    bench = await open();
    near = await bench.connect('near', 'near-1', { interceptors: { client: [(call, next) => atTransport.client(call, next)] } });
    far = await bench.connect('far', 'far-1', { interceptors: { server: [(call, next) => atTransport.server(call, next)] } });
  });
  afterEach(() => bench.close());

  const run = (over: Partial<Handlers<EchoContract>> = {}, options: ServeOptions = {}) =>
    serve(far, echoContract(topic), echoHandlers(new Set(), over), { graceMs: 0, ...options });
  const client = (...interceptors: ClientInterceptor[]) => createClient(near, echoContract(topic), { interceptors });
  const noting =
    (name: string) =>
    async (_call: unknown, next: () => Promise<unknown>): Promise<unknown> => {
      order.push(`${name} in`);
      try {
        return await next();
      } finally {
        order.push(`${name} out`);
      }
    };

  test('interceptors stand around a call in order, those of the transport outermost, on both sides', async () => {
    atTransport.client = noting('near');
    atTransport.server = noting('far');
    await run({ echo: (_context, request) => (order.push('handler'), request) }, { interceptors: [noting('server')] });
    await client(noting('client 1'), noting('client 2')).echo(text('!'));
    const inward = ['near in', 'client 1 in', 'client 2 in', 'far in', 'server in'];
    expect(order).toEqual([...inward, 'handler', ...inward.toReversed().map((step) => step.replace('in', 'out'))]);
  });

  test('each side knows what the request is, and what the client added is there for the server', async () => {
    const sent: OutgoingCall[] = [];
    const got: IncomingCall[] = [];
    await run({}, { server: 'host-1', interceptors: [(call, next) => (got.push(call), next())] });
    const calling = client((call, next) => {
      sent.push(call);
      call.metadata['locale'] = 'de';
      return next();
    });
    await calling.at('host-1').echo(text('grüße'), { timeoutMs: 20_000, requestId: 'req-1', metadata: { tenant: 'ß' } });
    const both = { kind: 'call', topic, method: 'echo', server: 'host-1', request: { text: 'grüße' } };
    expect(sent[0]).toMatchObject({ ...both, requestId: 'req-1', metadata: { locale: 'de', tenant: 'ß' } });
    expect((sent[0] as OutgoingCall).deadline - Date.now()).toBeLessThanOrEqual(20_000);
    expect(got[0]).toMatchObject({ ...both, redelivered: false });
    expect(got[0]?.context).toMatchObject({ requestId: 'req-1', metadata: { locale: 'de', tenant: 'ß' } });
  });

  test('casts, fanouts and streams pass by interceptors as calls do', async () => {
    const seen: string[] = [];
    const noted: string[] = [];
    await run(
      {
        note: ({ metadata }) => void noted.push(`note ${metadata['n']}`),
        news: ({ metadata }) => void noted.push(`news ${metadata['n']}`),
      },
      { interceptors: [(call, next) => (seen.push(`in ${call.kind} ${call.context.metadata['n']}`), next())] },
    );
    let n = 0;
    const calling = client(async (call, next) => {
      call.metadata['n'] = String(++n);
      const outcome = await next();
      seen.push(`${call.kind} ${String(outcome)}`);
      return outcome;
    });
    await calling.note(text('1'));
    await calling.news(text('2'));
    let items = 0;
    for await (const piece of calling.list(count(300))) items += piece.length;
    await eventually(() => noted.length === 2 && seen.length === 6);
    expect(items).toBe(300);
    expect(noted.toSorted()).toEqual(['news 2', 'note 1']);
    expect(seen.toSorted()).toEqual(['cast undefined', 'fanout undefined', 'in cast 1', 'in fanout 2', 'in stream 3', 'stream undefined']);
  });

  test('a client interceptor can refuse before anything leaves, replace the answer, and try again', async () => {
    let handled = 0;
    await run({
      echo: (_context, request) => (handled++, request),
      fail: () => {
        handled++;
        throw new ServiceError('not_yet', 'not yet');
      },
    });
    const refusing = client(() => Promise.reject(new Busy('closed for today')));
    await expect(refusing.echo(text('?'))).rejects.toMatchObject({ code: 'Busy', message: 'closed for today' });
    await expect(refusing.list(count(1))[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: 'Busy' });
    expect(handled).toBe(0);
    const replacing = client(async (_call, next) => Object.assign((await next()) as object, { text: 'other' }));
    expect((await replacing.echo(text('one'))).text).toBe('other');
    const patient = client(async (_call, next) => {
      try {
        return await next();
      } catch {
        return next();
      }
    });
    await expect(patient.fail(text('?'))).rejects.toMatchObject({ code: 'not_yet' });
    expect(handled).toBe(3);
  });

  test('a server interceptor can refuse under a name of ours, replace the answer, and sees errors of the handler', async () => {
    const errors: unknown[] = [];
    let handled = 0;
    await run(
      { echo: (_context, request) => (handled++, request) },
      {
        authorize: (_method, { metadata }) => {
          if (metadata['who'] === 'nobody') throw new Error('not for nobody');
        },
        interceptors: [
          async (call, next) => {
            if (call.context.metadata['who'] === 'crowd') throw new Busy('too many of you');
            if (call.context.metadata['who'] === 'bug') throw new TypeError('a bug of the interceptor');
            try {
              const answer = await next();
              return call.method === 'echo' ? text('replaced') : answer;
            } catch (error) {
              errors.push(error);
              throw error;
            }
          },
        ],
      },
    );
    const calling = client();
    const outcome = (who: string) => calling.echo(text('?'), { metadata: { who } }).catch((error: unknown) => error);
    expect(await outcome('crowd')).toBeInstanceOf(Busy);
    expect(await outcome('nobody')).toBeInstanceOf(NotAuthorized);
    expect(await outcome('bug')).toBeInstanceOf(RemoteError);
    expect(handled).toBe(0);
    expect(await outcome('somebody')).toMatchObject({ text: 'replaced' });
    await expect(calling.fail(text('service'))).rejects.toMatchObject({ code: 'no_room', details: { free: 0 } });
    expect(errors).toMatchObject([{ code: 'NotAuthorized', message: 'not for nobody' }, { code: 'no_room' }]);
  });

  test('a stream that breaks looks broken whatever an interceptor makes of it, and one that is left ends for it', async () => {
    await run({
      async *list(_context, request) {
        for (;;) {
          yield [text('item')];
          if (request.count === 0) throw new ServiceError('cut_short', 'no more');
        }
      },
    });
    const outcomes: string[] = [];
    const swallowing = client((_call, next) =>
      next().then(
        () => outcomes.push('ended'),
        () => outcomes.push('failed'),
      ),
    );
    await expect(
      (async () => {
        for await (const items of swallowing.list(count(0))) expect(items.length).toBe(1);
      })(),
    ).rejects.toMatchObject({ code: 'cut_short' });
    for await (const items of swallowing.list(count(1))) {
      expect(items.length).toBeGreaterThan(0);
      break;
    }
    await eventually(() => outcomes.length === 2);
    expect(outcomes).toEqual(['failed', 'ended']);
  });

  test('metadata above the limit does not leave', async () => {
    await run();
    const metadata = { long: 'x'.repeat(near.limits.maxMetadataBytes) };
    const details = { bytes: near.limits.maxMetadataBytes + 4, limit: near.limits.maxMetadataBytes };
    await expect(client().echo(text('?'), { metadata })).rejects.toMatchObject({ code: 'MessageTooLarge', details });
    await expect(client().note(text('?'), { metadata })).rejects.toBeInstanceOf(MessageTooLarge);
    await expect(client().echo(text('?'), { metadata: { odd: 7 as never } })).rejects.toThrow(
      'metadata odd: expected a string, got number',
    );
  });

  test('the trace context of a request travels on with the calls made on its behalf, other metadata does not', async () => {
    const seen: Context['metadata'][] = [];
    await run({
      echo: async (context, request) => {
        seen.push(context.metadata);
        // Over the transport without interceptors: this is no matter of tracing being set up.
        if (request.text === 'go on') await createClient(far, echoContract(topic)).note(text('last'), { context });
        return request;
      },
      note: ({ metadata }) => void seen.push(metadata),
    });
    await client().echo(text('go on'), { metadata: { traceparent: TRACEPARENT, tracestate: 'a=1', tenant: 'one' } });
    await client().echo(text('nothing'));
    await eventually(() => seen.length === 3);
    expect(seen).toContainEqual({ traceparent: TRACEPARENT, tracestate: 'a=1', tenant: 'one' });
    expect(seen).toContainEqual({ traceparent: TRACEPARENT, tracestate: 'a=1' });
    expect(seen).toContainEqual({});
  });
}
