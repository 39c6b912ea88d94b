import { expect, test } from 'vitest';
import { nearestName } from './nearest-name.ts';

test.each([
  { title: 'a swapped letter is understood', name: 'conductro', expected: 'conductor' },
  { title: 'capitals do not matter', name: 'API', expected: 'api' },
  { title: 'a missing letter is understood', name: 'schduler', expected: 'scheduler' },
  { title: 'something quite different is no guess', name: 'frobnicate', expected: undefined },
])('$title', ({ name, expected }) => {
  expect(nearestName(name, ['api', 'conductor', 'scheduler'])).toBe(expected);
});
