import { expect, test } from 'vitest';
import { distribution, median, percentile } from './percentiles.ts';

test.each([
  { title: 'the only value', sorted: [7], percent: 99, expected: 7 },
  { title: 'the first value for 0', sorted: [1, 2, 3], percent: 0, expected: 1 },
  { title: 'the last value for 100', sorted: [1, 2, 3], percent: 100, expected: 3 },
  { title: 'a value that stands at the place', sorted: [1, 2, 3], percent: 50, expected: 2 },
  { title: 'a straight line between two values', sorted: [10, 20], percent: 25, expected: 12.5 },
  { title: 'a straight line near the end', sorted: Array.from({ length: 101 }, (_, index) => index * 10), percent: 99, expected: 990 },
])('a percentile is $title', ({ sorted, percent, expected }) => {
  expect(percentile(sorted, percent)).toBeCloseTo(expected, 10);
});

test('there is no percentile of nothing', () => {
  expect(percentile([], 50)).toBeNaN();
  expect(distribution('create', [])).toEqual({});
});

test('a distribution does not mind the order, and does not change what it was given', () => {
  const durations = [30, 10, 20];
  expect(distribution('create', durations)).toMatchObject({ create_p50_ms: 20, create_max_ms: 30 });
  expect(durations).toEqual([30, 10, 20]);
  expect(median([4, 1, 3, 2])).toBe(2.5);
});
