import { expect, test } from 'vitest';
import { giveBack, lend } from './lent-memory.ts';

test('what was given back is lent again, once, to one that needs as much', () => {
  const first = lend(60_000);
  giveBack(first.subarray(10, 20)); // any part of it says which
  giveBack(first); // it is not theirs any more
  const [second, third] = [lend(50_000), lend(60_000)];
  expect(second).toHaveLength(50_000);
  expect(second.buffer).toBe(first.buffer);
  expect(third.buffer).not.toBe(first.buffer);
});

test('what was never lent is left alone', () => {
  const own = Buffer.alloc(65_536);
  giveBack(own);
  expect(lend(65_536).buffer).not.toBe(own.buffer);
});

test('no more is kept than the limit', () => {
  const all = Array.from({ length: 40 }, () => lend(524_288));
  all.forEach(giveBack);
  const before = new Set(all.map(({ buffer }) => buffer));
  const again = Array.from({ length: 40 }, () => lend(524_288)).filter(({ buffer }) => before.has(buffer));
  expect(again.length).toBeGreaterThan(0);
  expect(again.length * 524_288).toBeLessThanOrEqual(8_388_608);
});
