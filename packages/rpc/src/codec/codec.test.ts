import { instanceToPlain, plainToInstance } from 'class-transformer';
import { describe, expect, test } from 'vitest';
import { decoderFor, Empty, encoderFor, MalformedMessage, type Class } from '../index.ts';
import { Dated, Disk, Halves, Late, Open, Order } from '../testing/order.ts';

const disk = (gb: number, kind = 'ssd') => Object.assign(new Disk(), { gb, kind });
const order = (over: Partial<Order> = {}) =>
  Object.assign(new Order(), {
    uuid: 'u-1',
    root: disk(1),
    disks: [disk(2), disk(3)],
    excluded: ['a'],
    hint: 'x',
    tags: { a: 'b', __proto__x: 'c' },
    ...over,
  });
const throughJson = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

describe.each([0, 1, 2, 3, 4, 10, 11])('at minor %i', (minor) => {
  test.each([
    ['full', order()],
    ['defaults', Object.assign(new Order(), { uuid: 'u-2', root: disk(0) })],
    ['nulls and empty lists', order({ disks: [], zone: null, swap: null })],
    ['nested', order({ swap: disk(9), zone: 'z' })],
  ])('the codec does what class-transformer does: %s', (_name, value) => {
    const plain = throughJson(instanceToPlain(value, { version: minor }));
    expect(throughJson(encoderFor(Order, minor)(value))).toEqual(plain);
    const theirs = plainToInstance(Order, plain, { version: minor, exposeDefaultValues: true });
    const ours = decoderFor(Order, minor)(plain);
    expect(ours).toEqual(theirs);
    expect(ours.root).toBeInstanceOf(Disk);
    expect(ours.disks.every((each) => each instanceof Disk)).toBe(true);
  });
});

test('1.10 is newer than 1.9, for a minor is a whole number', () => {
  expect(encoderFor(Late, 9)(new Late())).toEqual({});
  expect(encoderFor(Late, 10)(new Late())).toEqual({ late: 'yes' });
});

test('a field that an older peer does not send gets its default, one it does not know is ignored', () => {
  const decoded = decoderFor(Order, 4)({ uuid: 'u', root: { gb: 1 }, later: 'x', __proto__: { wanted: false } });
  expect(decoded).toEqual(Object.assign(new Order(), { uuid: 'u', root: Object.assign(new Disk(), { gb: 1 }) }));
});

test.each([
  ['a missing field', { root: { gb: 1 } }, 'Order.uuid'],
  ['a wrong plain type', { uuid: 'u', root: { gb: 1 }, wanted: 'yes' }, 'Order.wanted'],
  ['null where the default says text', { uuid: 'u', root: { gb: 1 }, wanted: null }, 'Order.wanted'],
  ['a missing field of a nested object', { uuid: 'u', root: {} }, 'Order.root.gb'],
  ['text for a nested object', { uuid: 'u', root: 'disk' }, 'Order.root'],
  ['null for a nested object without a default', { uuid: 'u', root: null }, 'Order.root'],
  ['an object for a list', { uuid: 'u', root: { gb: 1 }, disks: { gb: 1 } }, 'Order.disks'],
  ['a wrong element', { uuid: 'u', root: { gb: 1 }, disks: [{ gb: 1 }, null] }, 'Order.disks[1]'],
  ['a list for the whole', [], 'Order'],
])('%s is refused, naming where', (_name, plain, path) => {
  expect(() => decoderFor(Order, 4)(plain)).toThrow(
    expect.objectContaining({ code: 'MalformedMessage', details: expect.objectContaining({ path }) }),
  );
});

test('a value that its reader would refuse is not sent', () => {
  expect(() => encoderFor(Order, 1)(order({ uuid: undefined as never }))).toThrow(MalformedMessage);
  expect(() => encoderFor(Order, 1)(order({ disks: [{} as Disk] }))).toThrow('Order.disks[0].gb');
});

test('Empty carries nothing', () => {
  expect(encoderFor(Empty, 0)(new Empty())).toEqual({});
  expect(decoderFor(Empty, 0)({ more: 1 })).toEqual(new Empty());
});

test('what a class cannot mean on the wire is refused when it is compiled', () => {
  const compile = (type: Class<object>) => () => encoderFor(type, 1);
  expect(compile(Open)).toThrow('class Open cannot cross the wire: put @Exclude() on the class');
  expect(compile(Dated)).toThrow('times travel as ISO text');
  expect(compile(Halves)).toThrow('since must be the minor version as a whole number, got 1.5');
});
