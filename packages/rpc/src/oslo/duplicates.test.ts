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
