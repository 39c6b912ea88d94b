// What a transport promises of several contracts, and several versions, on one topic. Run by the tests of each.
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  call,
  cast,
  createClient,
  defineContract,
  endpoint,
  fanout,
  NoSuchMethod,
  serve,
  UnsupportedVersion,
  type Refusal,
  type Transport,
} from '../index.ts';
import { eventually, tally, type Bench } from './bench.ts';
import { Count, count, echoContract, echoHandlers, Text, text } from './echo.ts';

export function describeEndpoints(open: () => Promise<Bench>): void {
  let bench: Bench;
  let near: Transport;
  let far: Transport;
  let topics = 0;
  let topic = '';
  let received = tally();

  beforeEach(async () => {
    topic = `side-${++topics}`;
    received = tally();
    bench = await open();
    near = await bench.connect('near', 'near-1');
    far = await bench.connect('far', 'far-1', { metrics: received });
  });
  afterEach(() => bench.close());

  const tell = { tell: cast({ since: '1.0', request: Text }), news: fanout({ since: '1.0', request: Text }) };
  const first = (version = '1.4') =>
    defineContract({ topic, version, methods: { ...tell, ask: call({ since: '1.2', request: Text, response: Text }) } });
  const second = () => defineContract({ topic, version: '2.0', methods: { ask: call({ since: '2.0', request: Count, response: Count }) } });
  const admin = () =>
    defineContract({
      topic,
      namespace: 'admin',
      version: '1.0',
      methods: { ...tell, ask: call({ since: '1.0', request: Text, response: Text }) },
    });

  test('majors and namespaces live side by side on one topic, and each request goes to its own', async () => {
    const heard: string[] = [];
    const noting = (name: string) => ({
      tell: (_: unknown, request: Text) => void heard.push(`${name} is told ${request.text}`),
      news: (_: unknown, request: Text) => void heard.push(`${name} hears ${request.text}`),
    });
    await serve(
      far,
      [
        endpoint(first(), { ...noting('first'), ask: ({ namespace, version }) => text(`${namespace} ${version}`) }),
        endpoint(second(), { ask: (_context, request) => count(request.count + 1) }),
        endpoint(admin(), { ...noting('admin'), ask: ({ namespace, version }) => text(`${namespace} ${version}`) }),
      ],
      { server: 'host-1' },
    );
    expect((await createClient(near, first()).ask(text('?'))).text).toBe('undefined 1.4');
    expect((await createClient(near, first(), { pin: '1.2' }).at('host-1').ask(text('?'))).text).toBe('undefined 1.2');
    expect((await createClient(near, second()).ask(count(1))).count).toBe(2);
    expect((await createClient(near, admin()).ask(text('?'))).text).toBe('admin 1.0');
    await createClient(near, first()).news(text('a'));
    await createClient(near, admin()).at('host-1').tell(text('b'));
    await eventually(() => heard.length === 2);
    expect(heard.toSorted()).toEqual(['admin is told b', 'first hears a']);
    expect(received.counted('handled', { topic, method: 'ask' })).toBe(3);
    expect(received.counted('handled', { topic, method: 'admin.ask' })).toBe(1);
  });

  test('what fits no endpoint is refused by name, with what is served', async () => {
    const handlers = { tell: () => undefined, news: () => undefined, ask: (_: unknown, request: Text) => request };
    await serve(far, [endpoint(first(), handlers), endpoint(admin(), handlers)]);
    const next = { ...admin(), version: '2.3', methods: { ask: call({ since: '2.0', request: Text, response: Text }) } };
    const unsupported = await createClient(near, next)
      .ask(text('?'))
      .catch((error: unknown) => error);
    expect(unsupported).toBeInstanceOf(UnsupportedVersion);
    expect(unsupported).toMatchObject({ details: { asked: '2.3', supported: '1.4, admin 1.0' } });
    const refused: Refusal[] = [];
    const other = createClient(near, { ...admin(), namespace: 'other' }, { onRefused: (refusal) => refused.push(refusal) });
    const unknown = await other.ask(text('?')).catch((error: unknown) => error);
    expect(unknown).toBeInstanceOf(NoSuchMethod);
    expect(unknown).toMatchObject({ details: { namespace: 'other', supported: '1.4, admin 1.0' } });
    await other.tell(text('?'));
    await eventually(() => refused.length === 1);
    expect(refused[0]).toMatchObject({ namespace: 'other', error: { code: 'NoSuchMethod' } });
  });

  test('endpoints that could not be told apart, or do not meet on one queue, are refused at the start', async () => {
    const ask = { ask: (_: unknown, request: Count) => request };
    const elsewhere = defineContract({ topic: `${topic}-b`, version: '1.0', methods: {} });
    const outside = defineContract({ topic, version: '1.0', exchange: 'from-hosts', methods: {} });
    await expect(serve(far, [])).rejects.toThrow('at least one endpoint');
    await expect(serve(far, [endpoint(second(), ask), endpoint({ ...second(), version: '2.1' }, ask)])).rejects.toThrow(
      'two endpoints serve 2.x',
    );
    await expect(serve(far, [endpoint(second(), ask), endpoint(elsewhere, {})])).rejects.toThrow('one topic and exchange');
    await expect(serve(far, [endpoint(second(), ask), endpoint(outside, {})])).rejects.toThrow('one topic and exchange');
    expect(() => endpoint(second(), {} as never)).toThrow(`${topic}.ask has no handler`);
  });

  test('one transport serves a topic once at a time, and another name of it beside', async () => {
    const ask = { ask: (_: unknown, request: Count) => request };
    const server = await serve(far, second(), ask, { server: 'host-1' });
    await expect(serve(far, second(), ask)).rejects.toThrow(/served on this transport already.*endpoint\(/);
    await expect(serve(far, second(), ask, { server: 'host-1', shared: false })).rejects.toThrow('served on this transport already');
    await serve(far, second(), ask, { server: 'host-2', shared: false });
    expect((await createClient(near, second()).at('host-2').ask(count(2))).count).toBe(2);
    await server.stop();
    await serve(far, second(), ask);
  });

  test('behind servers of different versions a caller of the older is always answered, one of the newer answered or refused by name', async () => {
    const other = await bench.connect('far', 'far-2');
    let handledByOlder = 0;
    const versions = (note: () => void) => ({
      look: ({ version }: { version: string }) => (note(), { caller: '', requestId: '', remainingMs: 0, version }),
    });
    await serve(
      far,
      echoContract(topic, '1.1'),
      echoHandlers(
        new Set(),
        versions(() => handledByOlder++),
      ),
    );
    await serve(
      other,
      echoContract(topic, '1.2'),
      echoHandlers(
        new Set(),
        versions(() => undefined),
      ),
    );
    const older = createClient(near, echoContract(topic, '1.2'), { pin: '1.1' });
    for (let round = 0; round < 10; round++) expect((await older.look({})).version).toBe('1.1');
    expect(handledByOlder).toBeGreaterThan(0);
    const handledBefore = handledByOlder;
    const newer = createClient(near, echoContract(topic, '1.2'));
    const outcomes = new Set<string>();
    for (let round = 0; round < 50 && outcomes.size < 2; round++)
      outcomes.add(
        await newer.look({}).then(
          ({ version }) => version,
          ({ code }: { code: string }) => code,
        ),
      );
    expect([...outcomes].toSorted()).toEqual(['1.2', 'UnsupportedVersion']);
    expect(handledByOlder).toBe(handledBefore);
  });
}
