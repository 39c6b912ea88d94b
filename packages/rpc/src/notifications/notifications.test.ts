import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  Busy,
  consumeEvents,
  createPublisher,
  defineEvents,
  drainOutbox,
  event,
  InProcessBroker,
  UnsupportedVersion,
  type ConsumeOptions,
  type EventContext,
  type EventHandlers,
  type Transport,
} from '../index.ts';
import { systemClock } from '../environment.ts';
import { eventually } from '../testing/bench.ts';
import { bothTransports, type OpenBroker } from '../testing/both-transports.ts';
import { Change, change, events, eventsOf } from '../testing/things.ts';

type Handlers = EventHandlers<(typeof events)['events']>;

describe.each(bothTransports)('notifications $name', ({ open }) => {
  let broker: OpenBroker;
  let near: Transport;
  const opened: { close(): Promise<void> }[] = [];

  beforeEach(async () => {
    broker = open();
    near = await connect('near');
  });
  afterEach(async () => {
    for (const part of opened.splice(0).toReversed()) await part.close();
  });

  const connect = async (service: string, id = '1', options: Parameters<OpenBroker>[2] = {}) => {
    const transport = await broker(service, id, options);
    opened.push(transport);
    return transport;
  };
  let members = 0;
  const join = async (handlers: Handlers, options: ConsumeOptions, definition = events) => {
    const transport = await connect('far', String(++members));
    const consumer = await consumeEvents(transport, definition, handlers, { retryBaseMs: 1, ...options });
    return { transport, consumer };
  };
  const noting = (into: string[], name = ''): Handlers => ({
    'thing.changed': (_context, { name: thing }) => void into.push(`${name}${thing}`),
    'thing.broke': (_context, { name: thing }) => void into.push(`${name}${thing} broke`),
  });

  test('every group gets every event, and the members of a group share them', async () => {
    const seen: string[] = [];
    await join(noting(seen, 'audit 1: '), { group: 'audit' });
    await join(noting(seen, 'audit 2: '), { group: 'audit' });
    await join(noting(seen, 'billing: '), { group: 'billing' });
    const publisher = createPublisher(near, events);
    await Promise.all(Array.from({ length: 20 }, (_, index) => publisher.publish('thing.changed', change(String(index)))));
    await eventually(() => seen.length === 40);
    const of = (group: string) => seen.filter((text) => text.startsWith(group)).map((text) => Number(text.split(': ')[1]));
    const all = Array.from({ length: 20 }, (_, index) => index);
    expect(of('billing').toSorted((a, b) => a - b)).toEqual(all);
    expect(of('audit').toSorted((a, b) => a - b)).toEqual(all);
    expect(of('audit 1').length).toBeGreaterThan(0);
    expect(of('audit 2').length).toBeGreaterThan(0);
  });

  test('a group collects while none of its members runs, and gets events in the order in which one publisher made them', async () => {
    const seen: string[] = [];
    const { consumer } = await join({}, { group: 'audit' });
    await consumer.stop();
    const publisher = createPublisher(near, events);
    for (const name of ['1', '2', '3']) await publisher.publish('thing.changed', change(name));
    await join(noting(seen), { group: 'audit', concurrency: 1 });
    await eventually(() => seen.length === 3);
    expect(seen).toEqual(['1', '2', '3']);
  });

  test('an event without any group is no failure', async () => {
    await expect(createPublisher(near, events).publish('thing.changed', change('?'))).resolves.toMatch(/^[0-9a-f-]{36}$/);
  });

  test('a group may take events of some priorities only', async () => {
    const seen: string[] = [];
    await join(noting(seen), { group: 'alarm', priorities: ['error', 'critical'] });
    const publisher = createPublisher(near, events);
    await publisher.publish('thing.changed', change('calm'));
    await publisher.publish('thing.broke', change('one'));
    await publisher.publish('thing.changed', change('loud'), { priority: 'critical' });
    await eventually(() => seen.length === 2);
    expect(seen.toSorted()).toEqual(['loud', 'one broke']);
  });

  test('what one member adds of priorities comes to the group, and who states other bounds than it has is told so', async () => {
    const seen: string[] = [];
    await join(noting(seen), { group: 'audit', priorities: ['error'] });
    await join(noting(seen), { group: 'audit', priorities: ['info'] });
    const publisher = createPublisher(near, events);
    await publisher.publish('thing.changed', change('1'));
    await publisher.publish('thing.broke', change('2'));
    await eventually(() => seen.length === 2);
    expect(seen.toSorted()).toEqual(['1', '2 broke']);
    for (const other of [{ maxLength: 7 }, { overflow: 'drop-oldest' as const }, { unusedMs: 1_000 }])
      await expect(join(noting(seen), { group: 'audit', ...other })).rejects.toThrow(/^group audit of things exists with other options/);
  });

  test('the context tells what the event is and where it comes from', async () => {
    const contexts: EventContext[] = [];
    await join({ 'thing.changed': (context) => void contexts.push(context) }, { group: 'audit' });
    const before = Date.now();
    const id = await createPublisher(near, events).publish('thing.changed', change('one'), {
      context: { requestId: 'req-1', deadline: 0 },
      metadata: { tenant: 'ß' },
    });
    await eventually(() => contexts.length === 1);
    const expected = { id, requestId: 'req-1', method: 'thing.changed', version: '1.1', priority: 'info', source: 'near.1' };
    expect(contexts[0]).toMatchObject({ ...expected, metadata: { tenant: 'ß' }, attempt: 1, redelivered: false });
    expect(contexts[0]?.caller).not.toBe('');
    expect(contexts[0]?.at).toBeGreaterThanOrEqual(before - 1);
  });

  test('a publisher speaks the version of its oldest consumers; what is newer is put aside, unless it is not wanted', async () => {
    const seen: Change[] = [];
    const other: string[] = [];
    await join({ 'thing.changed': (_context, payload) => void seen.push(payload) }, { group: 'old' }, eventsOf('1.0'));
    await join({ 'thing.broke': () => void other.push('?') }, { group: 'indifferent' }, eventsOf('1.0'));
    const red = Object.assign(change('red'), { colour: 'red' });
    await createPublisher(near, events, { pin: '1.0' }).publish('thing.changed', red);
    await createPublisher(near, events).publish('thing.changed', red);
    await expect.poll(() => broker.deadLetterReasons()).toHaveLength(1);
    expect(await broker.deadLetterReasons()).toEqual(['UnsupportedVersion: things: the event is version 1.1, this consumer supports 1.0']);
    await eventually(() => seen.length === 1);
    expect(seen).toEqual([{ name: 'red', colour: 'grey' }]);
    expect(other).toEqual([]);
    expect(() => createPublisher(near, events, { pin: '2.0' })).toThrow(UnsupportedVersion);
  });

  test('an event whose handler throws is tried again, and put aside after the last attempt with the reason', async () => {
    const attempts: string[] = [];
    const seen: string[] = [];
    const ids = new Set<string>();
    await join(
      {
        'thing.changed': (context, { name }) => {
          attempts.push(`${name} ${context.attempt}`);
          ids.add(context.id);
          if (name === 'bad' || context.attempt < 2) throw new RangeError('not yet');
          seen.push(name);
        },
      },
      { group: 'audit', attempts: 3 },
    );
    const publisher = createPublisher(near, events);
    await publisher.publish('thing.changed', change('bad'));
    await publisher.publish('thing.changed', change('good'));
    await expect.poll(() => broker.deadLetterReasons()).toEqual(['3 attempts failed, the last with RangeError: not yet']);
    await eventually(() => seen.length === 1);
    expect(attempts.filter((text) => text.startsWith('bad'))).toEqual(['bad 1', 'bad 2', 'bad 3']);
    expect(seen).toEqual(['good']);
    expect(ids.size).toBe(2);
  });

  test('what a member that died had in hand comes to another, under the same id', async () => {
    const first: EventContext[] = [];
    const second: EventContext[] = [];
    const { transport } = await join(
      { 'thing.changed': (context) => (first.push(context), new Promise<void>(() => undefined)) },
      { group: 'audit' },
    );
    const id = await createPublisher(near, events).publish('thing.changed', change('one'), { id: 'order-7' });
    await eventually(() => first.length === 1);
    await transport.close();
    await join({ 'thing.changed': (context) => void second.push(context) }, { group: 'audit' });
    await eventually(() => second.length === 1);
    expect(id).toBe('order-7');
    expect([...first, ...second]).toMatchObject([
      { id, redelivered: false },
      { id, redelivered: true },
    ]);
  });

  test('a member that stops finishes what is in hand, and hands back what it cannot finish', async () => {
    const seen: string[] = [];
    let release: (() => void) | undefined;
    let told = false;
    const slow: Handlers = {
      'thing.changed': (context, { name }) =>
        new Promise<void>((resolve) => {
          if (name === 'endless') context.signal.addEventListener('abort', () => (told = true));
          else
            release = () => {
              seen.push(name);
              resolve();
            };
        }),
    };
    const { consumer } = await join(slow, { group: 'audit', graceMs: 100 });
    const publisher = createPublisher(near, events);
    await publisher.publish('thing.changed', change('endless'));
    await publisher.publish('thing.changed', change('slow'));
    await eventually(() => release !== undefined);
    const stopping = consumer.stop();
    release?.();
    await stopping;
    expect(told).toBe(true);
    await join(noting(seen, 'again: '), { group: 'audit' });
    await eventually(() => seen.length === 2);
    expect(seen).toEqual(['slow', 'again: endless']);
  });

  test('a full group that refuses makes publishing fail as busy, one that drops puts its oldest aside', async () => {
    const publisher = createPublisher(near, events);
    const { consumer } = await join({}, { group: 'dropping', maxLength: 2, overflow: 'drop-oldest' });
    await consumer.stop();
    for (const name of ['1', '2', '3']) await publisher.publish('thing.changed', change(name));
    await expect.poll(() => broker.deadLetterReasons()).toHaveLength(1);
    expect((await broker.deadLetterReasons())[0]).toContain('maxlen');
    const { consumer: other } = await join({}, { group: 'refusing', maxLength: 2 });
    await other.stop();
    for (const name of ['4', '5']) await publisher.publish('thing.changed', change(name));
    await expect(publisher.publish('thing.changed', change('6'))).rejects.toBeInstanceOf(Busy);
    const seen: string[] = [];
    await join(noting(seen), { group: 'refusing', maxLength: 2, concurrency: 1 });
    await eventually(() => seen.length === 2);
    expect(seen).toEqual(['4', '5']);
  });

  test('interceptors stand around publishing and handling too', async () => {
    const order: string[] = [];
    const transport = await connect('wrapped', '1', {
      interceptors: {
        client: [(call, next) => (order.push(`out ${call.kind} ${call.method}`), (call.metadata['mark'] = 'x'), next())],
        server: [(call, next) => (order.push(`in ${call.kind} ${call.context.metadata['mark']}`), next())],
      },
    });
    await consumeEvents(transport, events, { 'thing.changed': () => void order.push('handled') }, { group: 'audit' });
    await createPublisher(transport, events).publish('thing.changed', change('one'));
    await eventually(() => order.length === 3);
    expect(order).toEqual(['out event thing.changed', 'in event x', 'handled']);
  });

  test('what cannot work is said at once, by name', async () => {
    await expect(consumeEvents(near, events, {}, { group: 'Not a word' })).rejects.toThrow('expected a lower-case word');
    await expect(consumeEvents(near, events, {}, { group: 'a', attempts: 0 })).rejects.toThrow('attempts: expected a number of at least 1');
    const endless = Number.POSITIVE_INFINITY;
    await expect(consumeEvents(near, events, {}, { group: 'a', concurrency: endless })).rejects.toThrow(
      'concurrency: expected at most 65535, got Infinity',
    );
    await expect(consumeEvents(near, events, { 'thing.gone': () => undefined } as never, { group: 'a' })).rejects.toThrow(
      'no event thing.gone',
    );
    await expect(createPublisher(near, events).publish('thing.changed', { name: 7 } as never)).rejects.toMatchObject({
      code: 'MalformedMessage',
      details: { path: 'Change.name' },
    });
    await expect(createPublisher(near, events).publish('thing.changed', change('x'.repeat(300_000)))).rejects.toMatchObject({
      code: 'MessageTooLarge',
    });
    await expect(
      createPublisher(near, events).publish('thing.changed', change('x'), { signal: 5 as unknown as AbortSignal }),
    ).rejects.toThrow('event things thing.changed: signal: expected an AbortSignal, got 5');
    for (const id of ['', 'x'.repeat(129), 'ü'.repeat(128)])
      await expect(createPublisher(near, events).publish('thing.changed', change('x'), { id })).rejects.toThrow(
        'id of event things thing.changed: expected 1 to 128 characters in at most 255 bytes',
      );
    await expect(createPublisher(near, events).publish('thing.changed', change('x'), { priority: 'loud' as never })).rejects.toThrow(
      'priority of event things thing.changed: expected debug, info, warn, error, critical, got "loud"',
    );
    expect(() => defineEvents({ topic: 'Things', version: '1.0', events: {} })).toThrow('topic "Things" of events');
    expect(() => defineEvents({ topic: 'things', version: '1.0', events: { Bad: event({ since: '1.0', payload: Change }) } })).toThrow(
      'event "Bad" of things',
    );
    expect(() => defineEvents({ topic: 'things', version: '1.0', events: { late: event({ since: '1.1', payload: Change }) } })).toThrow(
      'since 1.1, but the events are 1.0',
    );
  });
});

test('an event that waits for another attempt when the connection breaks is handled as it comes again, and not besides', async () => {
  let waited = () => {};
  const wait = new Promise<void>((resolve) => (waited = resolve));
  const clock = { ...systemClock, sleep: () => wait };
  const broker = new InProcessBroker();
  const far = broker.connect({ service: 'far', id: '1', clock });
  let handled = 0;
  const changed = () => {
    if (++handled === 1) throw new Error('not yet');
  };
  const consumer = await consumeEvents(far, events, { 'thing.changed': changed }, { group: 'audit' });
  await createPublisher(broker.connect({ service: 'near', id: '1' }), events).publish('thing.changed', change('once'));
  await eventually(() => handled === 1);
  far.cut();
  far.restore();
  await eventually(() => handled === 2);
  waited();
  await new Promise(setImmediate); // whatever waited goes on
  await consumer.stop();
  expect(handled).toBe(2);
});

test('the outbox of a transport that was closed before is not drained', async () => {
  const said: string[] = [];
  const nothing = () => undefined;
  const log = { debug: nothing, info: nothing, warn: (_fields: object, what: string) => void said.push(what), error: nothing };
  const transport = new InProcessBroker().connect({ service: 'near', id: '1', log });
  await transport.close();
  const drain = drainOutbox(transport, { claim: async () => [], done: async () => undefined });
  await new Promise(setImmediate); // whatever can go on does
  expect(said).toEqual([]);
  await drain.stop();
});

test('the compiler knows events and their payloads', () => {
  const transport = {} as Transport;
  const publisher = {} as ReturnType<typeof createPublisher<(typeof events)['events']>>;
  const never = () => [
    // @ts-expect-error there is no such event
    publisher.publish('thing.gone', change('x')),
    // @ts-expect-error not its payload
    publisher.publish('thing.changed', { text: 'x' }),
    // @ts-expect-error not its payload
    consumeEvents(transport, events, { 'thing.changed': (_context, payload: number) => payload }, { group: 'a' }),
    // @ts-expect-error a group needs a name
    consumeEvents(transport, events, {}, {}),
  ];
  expect(never).toBeTypeOf('function');
});
