// What a transport promises of casts that no server would take. Run by the tests of each.
import { afterEach, beforeEach, expect, test } from 'vitest';
import { cast, createClient, defineContract, onRefused, serve, type Refusal, type ServeOptions, type Transport } from '../index.ts';
import { eventually, tally, type Bench } from './bench.ts';
import { Count, count, echoContract, echoHandlers, text } from './echo.ts';

export function describeRefusals(open: () => Promise<Bench>): void {
  let bench: Bench;
  let near: Transport;
  let far: Transport;
  let topics = 0;
  let topic = '';
  let sent = tally();
  let received = tally();

  beforeEach(async () => {
    topic = `refuse-${++topics}`;
    [sent, received] = [tally(), tally()];
    bench = await open();
    near = await bench.connect('near', 'near-1', { metrics: sent, rememberedCasts: 4 });
    far = await bench.connect('far', 'far-1', { metrics: received });
  });
  afterEach(() => bench.close());

  /** Of 1.1, and therefore behind a client of 1.2. */
  const run = (options: ServeOptions = {}) => serve(far, echoContract(topic, '1.1'), echoHandlers(new Set(), {}), options);

  test('a cast of a newer version comes back to the client that sent it, counted on both sides', async () => {
    await run({ server: 'host-1' });
    const refused: Refusal[] = [];
    const everywhere: Refusal[] = [];
    onRefused(near, (refusal) => everywhere.push(refusal));
    const client = createClient(near, echoContract(topic, '1.2'), { onRefused: (refusal) => refused.push(refusal) });
    await client.at('host-1').note(text('too new'), { requestId: 'req-7' });
    await eventually(() => refused.length > 0);
    expect(refused).toMatchObject([
      { topic, method: 'note', server: 'host-1', version: '1.2', requestId: 'req-7', error: { code: 'UnsupportedVersion' } },
    ]);
    expect(refused[0]?.error.details).toEqual({ asked: '1.2', supported: '1.1' });
    expect(everywhere).toEqual([]);
    expect(sent.counted('refusals', { topic, method: 'note', code: 'UnsupportedVersion' })).toBe(1);
    expect(received.counted('refused', { topic, method: 'note', code: 'UnsupportedVersion' })).toBe(1);
    expect(received.counted('dead_lettered', { topic })).toBe(1);
  });

  test('casts of unknown methods, of wrong shapes and of those who may not come back with their reasons', async () => {
    await run({
      authorize: (method) => {
        if (method === 'note') throw new Error('not for you');
      },
    });
    const refused = new Map<string, Refusal>();
    const forget = onRefused(near, (refusal) => refused.set(refusal.method, refusal));
    const stranger = defineContract({
      topic,
      version: '1.1',
      methods: { notice: cast({ since: '1.0', request: Count }), note: cast({ since: '1.0', request: Count }) },
    });
    await createClient(near, stranger).notice(count(1));
    await createClient(near, stranger).note(count(1));
    await eventually(() => refused.size === 2);
    expect(refused.get('notice')?.error.code).toBe('NoSuchMethod');
    expect(refused.get('note')?.error).toMatchObject({ code: 'MalformedMessage', details: { path: 'Text.text' } });
    refused.clear();
    const client = createClient(near, echoContract(topic, '1.1'));
    await client.note(text('?'));
    await eventually(() => refused.size === 1);
    expect(refused.get('note')?.error).toMatchObject({ code: 'NotAuthorized', message: 'not for you' });
    forget();
    await client.note(text('nobody listens any more'));
    await eventually(() => received.counted('refused', { code: 'NotAuthorized' }) === 2);
    await client.echo(text('an answer that comes after a refusal would'));
    expect(sent.counted('refusals')).toBe(3);
    expect(sent.counted('late_replies')).toBe(0);
  });

  test('a handler that throws is no refusal, and a listener that throws harms nobody', async () => {
    await serve(
      far,
      echoContract(topic),
      echoHandlers(new Set(), {
        note: () => {
          throw new Error('a bug of the server');
        },
      }),
    );
    const refused: Refusal[] = [];
    const client = createClient(near, echoContract(topic), {
      onRefused(refusal) {
        refused.push(refusal);
        throw new Error('a bug of the listener');
      },
    });
    await client.note(text('?'));
    await eventually(() => received.counted('handler_errors') === 1);
    const newer = createClient(near, { ...echoContract(topic), version: '1.9' }, { onRefused: refused.push.bind(refused) });
    await newer.note(text('?'));
    await eventually(() => refused.length === 1);
    expect(refused[0]?.version).toBe('1.9');
    expect(await client.echo(text('well'))).toMatchObject({ text: 'well' });
  });

  test('no more casts are remembered than the limit says: the oldest are forgotten, and their refusals counted as late', async () => {
    let free: (() => void) | undefined;
    const gate = new Promise<void>((resolve) => (free = resolve));
    await run({
      concurrency: 1,
      authorize: async () => {
        await gate;
        throw new Error('no');
      },
    });
    const refused: string[] = [];
    const client = createClient(near, echoContract(topic, '1.1'), { onRefused: ({ requestId }) => refused.push(requestId) });
    for (let number = 1; number <= 6; number++) await client.note(text('?'), { requestId: `req-${number}` });
    free?.();
    await eventually(() => refused.length + sent.counted('late_replies') === 6);
    expect(refused).toEqual(['req-3', 'req-4', 'req-5', 'req-6']);
  });
}
