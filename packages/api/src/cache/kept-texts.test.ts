import { expect, test } from 'vitest';
import { KeptTexts } from './kept-texts.ts';

const KIB = 1_024;

test('gives a text back for its view, id and revision alone', () => {
  const kept = new KeptTexts(KIB * KIB);
  kept.of('member').keep('a', '1', 'as members see it');
  expect(kept.of('member').get('a', '1')).toBe('as members see it');
  expect(kept.of('member').get('a', '2')).toBeUndefined();
  expect(kept.of('member').get('b', '1')).toBeUndefined();
  expect(kept.of('admin').get('a', '1')).toBeUndefined();
});

test('a newer revision takes the place of the older one', () => {
  const kept = new KeptTexts(KIB * KIB);
  const view = kept.of('v');
  view.keep('a', '1', 'x'.repeat(1_000));
  const { bytes } = kept;
  view.keep('a', '2', 'y'.repeat(1_000));
  expect(view.get('a', '1')).toBeUndefined();
  expect(view.get('a', '2')).toBe('y'.repeat(1_000));
  expect(kept.bytes).toBe(bytes);
});

test('holds no more than it may, and lets go of what was not used for longest', () => {
  const kept = new KeptTexts(4 * KIB);
  const view = kept.of('v');
  view.keep('a', '1', 'a'.repeat(KIB));
  view.keep('b', '1', 'b'.repeat(KIB));
  expect(view.get('a', '1')).toBeDefined();
  view.keep('c', '1', 'c'.repeat(KIB));
  view.keep('d', '1', 'd'.repeat(KIB));
  expect(['a', 'b', 'c', 'd'].filter((id) => view.get(id, '1') !== undefined)).toEqual(['a', 'c', 'd']);
  expect(kept.bytes).toBeLessThanOrEqual(4 * KIB);
});

test('what is larger than all it may hold is not kept', () => {
  const kept = new KeptTexts(KIB);
  kept.of('v').keep('a', '1', 'a'.repeat(2 * KIB));
  expect(kept.of('v').get('a', '1')).toBeUndefined();
  expect(kept.bytes).toBe(0);
});

test('any number of views, as of addresses that clients make up, is bounded', () => {
  const kept = new KeptTexts(KIB * KIB);
  for (let view = 0; view < 10_000; view += 1) kept.of(String(view)).keep('a', '1', 'text');
  expect(kept.of('9999').get('a', '1')).toBe('text');
  expect(kept.bytes).toBeLessThan(1_000 * KIB);
});
