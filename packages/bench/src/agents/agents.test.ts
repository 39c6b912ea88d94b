import { expect, test } from 'vitest';
import { busiestSecond } from './agents.ts';

test.each([
  { title: 'nothing', moments: [], expected: 0 },
  { title: 'all at once', moments: [5, 5, 5], expected: 3 },
  { title: 'the fullest second, wherever it begins', moments: [0, 900, 950, 1_000, 1_899, 3_000], expected: 4 },
])('the busiest second of $title', ({ moments, expected }) => {
  expect(busiestSecond(moments)).toBe(expected);
});
