import { expect, test } from 'vitest';
import { satisfies } from './operators.ts';

// Source of the table: Compute API documentation, "Extra specs, operators".
test.each([
  ['true', 'true', true],
  ['true', 'false', false],
  ['8', '= 4', true],
  ['4', '= 8', false],
  ['4.0', '== 4', true],
  ['4', '!= 4', false],
  ['5', '>= 4', true],
  ['5', '<= 4', false],
  ['abc', 's== abc', true],
  ['abc', 's!= abc', false],
  ['abc', 's< abd', true],
  ['abd', 's<= abd', true],
  ['b', 's> a', true],
  ['a', 's>= b', false],
  ['avx sse', '<in> avx', true],
  ['avx sse', '<all-in> avx sse', true],
  ['avx sse', '<all-in> avx mmx', false],
  ['b', '<or> a <or> b', true],
  ['c', '<or> a <or> b', false],
  ['x', '>= 4', false],
  ['', '>= 0', false],
  ['4', '>=', false],
])('%j against %j is %j', (have, requirement, expected) => {
  expect(satisfies(have, requirement)).toBe(expected);
});
