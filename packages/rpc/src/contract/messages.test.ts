import { expect, test } from 'vitest';
import {
  call,
  createClient,
  defineContract,
  defineEvents,
  Empty,
  encoderFor,
  event,
  InProcessBroker,
  serve,
  stream,
  type Class,
} from '../index.ts';
import {
  Anything,
  Around,
  AroundLater,
  early,
  Grown,
  Noted,
  WithBigint,
  WithDate,
  WithMap,
  WithRecord,
  WithSet,
  WithTypedMap,
  WithUntyped,
} from '../testing/odd-messages.ts';
import { Dated, Halves, Open } from '../testing/order.ts';

const define = (request: Class<object>, since = '1.0') =>
  defineContract({ topic: 'messages', version: '1.3', methods: { ask: call({ since, request, response: Empty }) } });

test.each([
  [WithMap, 'WithMap.counts: a Map cannot cross the wire: take a record, or a list'],
  [WithTypedMap, 'WithTypedMap.disks: a Map cannot cross the wire: take a record, or a list'],
  [WithSet, 'WithSet.names: a Set cannot cross the wire: take a list'],
  [WithDate, 'WithDate.at: a Date cannot cross the wire: times travel as ISO text'],
  [WithBigint, 'WithBigint.size: a bigint cannot cross the wire: take its text'],
  [WithUntyped, 'WithUntyped.disk: its default is a Disk: put @Type(() => Disk) on the field'],
  [Dated, 'Dated.at: @Type must name a message class'],
  [Halves, 'Halves.field: since must be the minor version as a whole number, got 1.5'],
  [Open, 'class Open cannot cross the wire: put @Exclude() on the class'],
  [Grown, 'Grown.size came with minor 2, and there are messages of minor 0: it needs a default'],
  [Around, 'Grown.size came with minor 2, and there are messages of minor 0: it needs a default'],
  ['Text' as unknown as Class<object>, 'expected a message class or a shape, got "Text"'],
])('%o is refused where the contract is defined', (type, reason) => {
  expect(() => define(type)).toThrow(`method messages.ask: request: ${reason}`);
  const methods = { all: stream({ since: '1.0', request: Empty, item: type }) };
  expect(() => defineContract({ topic: 'messages', version: '1.3', methods })).toThrow(`method messages.all: item: ${reason}`);
  const events = { 'thing.made': event({ since: '1.0', payload: type }) };
  expect(() => defineEvents({ topic: 'things', version: '1.3', events })).toThrow(`event things thing.made: ${reason}`);
});

test('a field that is as old as all messages of its class needs no default', () => {
  expect(() => define(Grown, '1.2')).not.toThrow();
  expect(() => define(AroundLater)).not.toThrow();
  expect(() => define(WithRecord)).not.toThrow();
});

test('what the compiler notes of a field without a default counts too', () => {
  Reflect.defineMetadata('design:type', Date, Noted.prototype, 'at');
  expect(() => define(Noted)).toThrow('Noted.at: a Date cannot cross the wire: times travel as ISO text');
});

test('a class that is declared further down is looked at when it is served', async () => {
  const transport = new InProcessBroker().connect({ service: 'messages', id: '1' });
  await expect(serve(transport, early, { ask: () => new Empty() })).rejects.toThrow(
    'method early.ask: request: class Later cannot cross the wire',
  );
});

test('a Map does not become {} in a field of which nothing is known', async () => {
  const value = (given: Partial<Anything>) => Object.assign(new Anything(), { value: 1 }, given);
  const encode = encoderFor(Anything, 0);
  expect(() => encode(value({ value: new Map() }))).toThrow('Anything.value: expected what JSON can carry, got Map');
  expect(() => encode(value({ labels: new Map() as never }))).toThrow('Anything.labels: expected object, got Map');
  const client = createClient(new InProcessBroker().connect({ service: 'messages', id: '1' }), define(Anything));
  await expect(client.ask(value({ value: new Set() }))).rejects.toMatchObject({ code: 'MalformedMessage' });
});
