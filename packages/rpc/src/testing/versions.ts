// What a transport promises of methods on their way out, and of pins that move. Run by the tests of each.
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  call,
  cast,
  createClient,
  defineContract,
  fanout,
  serve,
  stream,
  UnsupportedVersion,
  type OlderPeer,
  type Transport,
} from '../index.ts';
import { eventually, tally, type Bench } from './bench.ts';
import { Text, text } from './echo.ts';

const DEPRECATED = '1.1: use ask';

export function describeVersions(open: () => Promise<Bench>): void {
  let bench: Bench;
  let near: Transport;
  let far: Transport;
  let topics = 0;
  let topic = '';
  let received = tally();
  let warnings: { readonly event: string; readonly method?: string; readonly caller?: string; readonly deprecated?: string }[] = [];

  beforeEach(async () => {
    topic = `versions-${++topics}`;
    [received, warnings] = [tally(), []];
    const nothing = () => undefined;
    const log = {
      debug: nothing,
      info: nothing,
      error: nothing,
      warn: (fields: object, event: string) => void warnings.push({ ...fields, event }),
    };
    bench = await open();
    near = await bench.connect('near', 'near-1');
    far = await bench.connect('far', 'far-1', { metrics: received, log });
  });
  afterEach(() => bench.close());

  const contract = (version = '1.2') =>
    defineContract({
      topic,
      version,
      methods: {
        ask: call({ since: '1.0', request: Text, response: Text, idempotent: true }),
        put: call({ since: '1.0', request: Text, response: Text, deprecated: DEPRECATED }),
        tell: cast({ since: '1.0', request: Text, deprecated: DEPRECATED }),
        news: fanout({ since: '1.0', request: Text, deprecated: DEPRECATED }),
        list: stream({ since: '1.0', request: Text, item: Text, deprecated: DEPRECATED }),
        ...(version === '1.2' ? { late: call({ since: '1.2', request: Text, response: Text, idempotent: true }) } : {}),
      },
    });
  const echo = (_context: unknown, request: Text) => request;
  const handlers = { ask: echo, put: echo, tell: () => undefined, news: () => undefined, list: () => [[text('item')]], late: echo };
  const inUse = () => warnings.filter(({ event }) => event === 'a deprecated method is in use');

  test('the use of a deprecated method is counted each time, and told once per method and account', async () => {
    const callers = new Set<string>();
    await serve(far, contract(), { ...handlers, put: ({ caller }, request) => (callers.add(caller), request) });
    const other = await bench.connect('other', 'other-1');
    for (const transport of [near, other, near, other]) await createClient(transport, contract()).put(text('?'));
    const client = createClient(near, contract());
    await client.ask(text('?'));
    await client.tell(text('?'));
    await client.news(text('?'));
    for await (const items of client.list(text('?'))) expect(items).toHaveLength(1);
    await eventually(() => received.counted('deprecated', { topic }) === 7);
    expect(received.counted('deprecated', { method: 'put' })).toBe(4);
    const ofPut = inUse().filter(({ method }) => method === 'put');
    expect(new Set(ofPut.map(({ caller }) => caller))).toEqual(callers);
    expect(ofPut).toHaveLength(callers.size);
    expect(inUse().map(({ method }) => method)).toEqual(expect.arrayContaining(['put', 'tell', 'news', 'list']));
    expect(inUse().every(({ deprecated }) => deprecated === DEPRECATED)).toBe(true);
  });

  test('no more warnings of deprecated methods are remembered than the limit says', async () => {
    await serve(far, contract(), handlers, { deprecationWarnings: 1 });
    const client = createClient(near, contract());
    await client.put(text('?'));
    await client.tell(text('?'));
    await client.put(text('?'));
    await eventually(() => received.counted('deprecated') === 3);
    expect(inUse().map(({ method }) => method)).toEqual(['put']);
  });

  test('a pin that moves is followed by the next message: its form, its methods, its refusals', async () => {
    await serve(far, contract(), { ...handlers, ask: ({ version }, request) => text(`${version} ${request.tone}`) });
    let pin = '1.2';
    const client = createClient(near, contract(), { pin: () => pin });
    const loud = Object.assign(text('?'), { tone: 'loud' });
    expect((await client.ask(loud)).text).toBe('1.2 loud');
    pin = '1.1';
    expect((await client.ask(loud)).text).toBe('1.1 plain');
    expect(client.supports('late')).toBe(false);
    await expect(client.late?.(loud)).rejects.toBeInstanceOf(UnsupportedVersion);
    pin = '1.2';
    expect(client.supports('late')).toBe(true);
    expect((await client.late?.(loud))?.tone).toBe('loud');
    pin = '2.0';
    await expect(client.ask(loud)).rejects.toMatchObject({ code: 'UnsupportedVersion', details: { asked: '2.0', supported: '1.2' } });
  });

  test('a call in flight keeps its form when the pin moves down, and is answered in it', async () => {
    let free: (() => void) | undefined;
    const gate = new Promise<void>((resolve) => (free = resolve));
    let taken = 0;
    await serve(far, contract(), { ...handlers, ask: (_context, request) => (taken++, gate.then(() => request)) });
    let pin = '1.2';
    const client = createClient(near, contract(), { pin: () => pin });
    const waiting = client.ask(Object.assign(text('?'), { tone: 'loud' }));
    await eventually(() => taken === 1);
    pin = '1.1';
    free?.();
    expect(await waiting).toMatchObject({ tone: 'loud' });
  });

  test('a call that an older server refuses while the pin moves down leaves again in the older form, whether or not it may be repeated', async () => {
    let handled = 0;
    const put = ({ version }: { version: string }, request: Text) => (handled++, text(`${version} ${request.tone}`));
    await serve(far, contract('1.1'), { ...handlers, put });
    let pin = '1.2';
    const client = createClient(near, contract(), { pin: () => pin });
    const refusedForGood = client.put(text('?'));
    await expect(refusedForGood).rejects.toMatchObject({ code: 'UnsupportedVersion', details: { asked: '1.2', supported: '1.1' } });
    const waiting = client.put(Object.assign(text('?'), { tone: 'loud' }));
    pin = '1.1'; // it has left already
    expect((await waiting).text).toBe('1.1 plain');
    expect(handled).toBe(1);
    expect(received.counted('refused', { code: 'UnsupportedVersion' })).toBe(2);
  });

  test('whoever is told of an older server and moves the pin down gets its answer in the older form', async () => {
    let handled = 0;
    const put = ({ version }: { version: string }, request: Text) => (handled++, text(`${version} ${request.tone}`));
    await serve(far, contract('1.1'), { ...handlers, put, list: ({ version }) => [[text(version)]] });
    let pin = '1.2';
    const told: OlderPeer[] = [];
    const client = createClient(near, contract(), {
      pin: () => pin,
      onOlderPeer: (peer) => {
        told.push(peer);
        pin = peer.supported;
      },
    });
    expect((await client.put(Object.assign(text('?'), { tone: 'loud' }))).text).toBe('1.1 plain');
    expect(told).toEqual([{ server: undefined, asked: '1.2', supported: '1.1' }]);
    pin = '1.2';
    for await (const [item] of client.list(text('?'))) expect(item?.text).toBe('1.1');
    expect(handled).toBe(1);
    pin = '1.2';
    await client.tell(text('?'));
    await eventually(() => told.length === 3);
    expect(pin).toBe('1.1');
    await expect(client.late?.(text('?'))).rejects.toBeInstanceOf(UnsupportedVersion);
  });

  test('a pin may differ from server to server', async () => {
    const named = ({ version }: { version: string }, request: Text) => text(`${version} ${request.tone}`);
    await serve(far, contract('1.1'), { ...handlers, ask: named }, { server: 'old' });
    await serve(near, contract('1.2'), { ...handlers, ask: named }, { server: 'new' });
    const client = createClient(near, contract(), { pin: (server) => (server === 'old' ? '1.1' : '1.2') });
    const loud = Object.assign(text('?'), { tone: 'loud' });
    expect([(await client.at('old').ask(loud)).text, (await client.at('new').ask(loud)).text]).toEqual(['1.1 plain', '1.2 loud']);
    expect([client.supports('late', 'old'), client.supports('late', 'new')]).toEqual([false, true]);
  });

  test('a call that leaves again after the pin moved down takes the older form, or fails by name where there is none', async () => {
    const heir = await bench.connect('far', 'far-2');
    let taken = 0;
    const hang = () => (taken++, new Promise<Text>(() => undefined));
    await serve(far, contract(), { ...handlers, ask: hang, late: hang }, { graceMs: 0 });
    let pin = '1.2';
    const client = createClient(near, contract(), { pin: () => pin });
    const repeated = client.ask(Object.assign(text('?'), { tone: 'loud' }), { timeoutMs: 20_000 });
    const tooNew = client.late?.(text('?'), { timeoutMs: 20_000 }).catch((error: unknown) => error);
    await eventually(() => taken === 2);
    bench.cut();
    await far.close();
    pin = '1.1';
    await serve(heir, contract('1.1'), { ...handlers, ask: ({ version }, request) => text(`${version} ${request.tone}`) });
    bench.restore();
    expect((await repeated).text).toBe('1.1 plain');
    expect(await tooNew).toMatchObject({ code: 'UnsupportedVersion', details: { asked: '1.2', supported: '1.1' } });
  });
}
