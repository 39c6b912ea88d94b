import { describe, expect, test } from 'vitest';
import { decoderFor, Empty, encoderFor, MalformedMessage, shape } from '../index.ts';
import { Disk, Labels, Note, Order, Parcel } from '../testing/order.ts';
import { writerFor } from './writer.ts';

const disk = (gb: number, kind = 'ssd') => Object.assign(new Disk(), { gb, kind });
const order = (over: Partial<Order> = {}) => Object.assign(new Order(), { uuid: 'u-1', root: disk(1), ...over });

const labels = (over: Partial<Labels> = {}) => Object.assign(new Labels(), { anything: null }, over);

describe.each([0, 1, 2, 3, 4, 10, 11])('at minor %i', (minor) => {
  test.each([
    ['full', order({ disks: [disk(2), disk(3)], excluded: ['a'], hint: 'x', tags: { a: 'b' } })],
    ['defaults', order()],
    ['nulls and empty lists', order({ disks: [], zone: null, swap: null })],
    ['nested', order({ swap: disk(9), zone: 'z' })],
  ])('what is written reads like what is encoded: %s', (_name, value) => {
    const read = decoderFor(Order, minor);
    expect(read(JSON.parse(writerFor(Order, minor)(value)))).toEqual(read(encoderFor(Order, minor)(value)));
  });
});

test.each<[string, Partial<Labels>, object]>([
  ['what has its default is left out; what has none is written, and a list whose default is not empty', {}, {}],
  ['a value', { text: 'x', size: 1.5, large: true }, { text: 'x', size: 1.5, large: true }],
  ['a value of no known type', { anything: { a: [null, 1] } }, { anything: { a: [null, 1] } }],
  ['an empty list whose default is none', { kept: [] }, { kept: [] }],
  ['lists and objects with something in them', { words: ['b'], labels: { c: 'd' } }, { words: ['b'], labels: { c: 'd' } }],
  ['a nested object', { disk: disk(1, 'hdd') }, { disk: { gb: 1, kind: 'hdd' } }],
  ['a nested object with defaults', { disk: disk(1, 'image') }, { disk: { gb: 1 } }],
  ['texts that JSON escapes', { text: '"\\\n\u007f\ud800é' }, { text: '"\\\n\u007f\ud800é' }],
])('%s', (_name, over, expected) => {
  expect(JSON.parse(writerFor(Labels, 3)(labels(over)))).toEqual({ anything: null, kept: ['a'], ...expected });
});

test('long texts and bytes go beside', () => {
  const beside: string[] = [];
  const text = 'long '.repeat(500);
  expect(writerFor(Note, 0)(Object.assign(new Note(), { text }), beside)).toBe('{"text":0}');
  expect(beside).toEqual([text]);
});

test('a value that its reader would refuse is not written', () => {
  expect(() => writerFor(Order, 1)(order({ uuid: undefined as never }))).toThrow(MalformedMessage);
  expect(() => writerFor(Order, 1)(order({ disks: [{} as Disk] }))).toThrow('Order.disks[0].gb');
  expect(() => writerFor(Order, 1)(undefined as never)).toThrow('Order: expected an object');
});

test('Empty is written as nothing, and a plain value as it is', () => {
  expect(writerFor(Empty, 0)(new Empty())).toBe('{}');
  const names = shape<readonly string[]>('a list of texts', Array.isArray);
  expect(writerFor(names as never, 0)(['a'] as never)).toBe('["a"]');
});

describe('an object that is frozen', () => {
  const parcel = (over: Partial<Parcel>) => Object.assign(new Parcel(), { labels: labels() }, over);
  const write = writerFor(Parcel, 0);

  test('is written once', () => {
    let reads = 0;
    const frozen = Object.freeze({
      ...labels({ words: Object.freeze([]) as never, kept: Object.freeze(['b']) as never, labels: Object.freeze({}) }),
      get size() {
        return ++reads;
      },
    });
    const first = write(parcel({ labels: frozen }));
    const readsOfFirst = reads;
    expect(write(parcel({ labels: frozen }))).toBe(first);
    expect(reads).toBe(readsOfFirst);
  });

  test('is written again as long as something in it may change', () => {
    const inside = { a: 'before' };
    const frozen = Object.freeze(labels({ labels: inside, words: Object.freeze([]) as never, kept: Object.freeze([]) as never }));
    write(parcel({ labels: frozen }));
    inside.a = 'after';
    expect(JSON.parse(write(parcel({ labels: frozen })))).toMatchObject({ labels: { labels: { a: 'after' } } });
  });

  test('has a long text beside each message', () => {
    const note = Object.freeze(Object.assign(new Note(), { text: 'long '.repeat(500) }));
    for (const beside of [[], []] as string[][]) {
      expect(JSON.parse(write(parcel({ note }), beside))).toMatchObject({ note: { text: 0 } });
      expect(beside).toEqual([note.text]);
    }
  });
});
