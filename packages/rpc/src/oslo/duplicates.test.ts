import { expect, test } from 'vitest';
import { systemClock } from '../environment.ts';
import { Duplicates } from './duplicates.ts';

test('what was seen is known for its time, and not after it was handed back', () => {
  let now = 0;
  const seen = new Duplicates({ ...systemClock, monotonic: () => now }, 10, 1_000);
  expect(seen.has('a')).toBe(false);
  now = 1_000;
  expect(seen.has('a')).toBe(true);
  now = 1_001;
  expect(seen.has('a')).toBe(false);
  seen.forget('a');
  expect(seen.has('a')).toBe(false);
});

test('no more than its number are remembered, the oldest go first', () => {
  const seen = new Duplicates(systemClock, 2, 60_000);
  for (const id of ['a', 'b', 'c']) expect(seen.has(id)).toBe(false);
  expect(seen.has('c')).toBe(true);
  expect(seen.has('a')).toBe(false);
});

test('one that was handed back and came again is known for its time from then', () => {
  let now = 0;
  const seen = new Duplicates({ ...systemClock, monotonic: () => now }, 10, 1_000);
  seen.has('a');
  seen.forget('a');
  now = 500;
  expect(seen.has('a')).toBe(false);
  now = 1_400;
  expect(seen.has('b')).toBe(false);
  expect(seen.has('a')).toBe(true);
});

test('over thousands only the last ones are known', () => {
  const seen = new Duplicates(systemClock, 100, 60_000);
  for (let index = 0; index < 5_000; index++) expect(seen.has(`id ${index}`)).toBe(false);
  for (let index = 4_900; index < 5_000; index++) expect(seen.has(`id ${index}`)).toBe(true);
  expect(seen.has('id 4899')).toBe(false);
});
