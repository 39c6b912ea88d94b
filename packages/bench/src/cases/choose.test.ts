import { expect, test } from 'vitest';
import { cases } from './cases.ts';
import { chooseCase } from './choose.ts';

test('a case comes as it is, or in the size that is asked for', () => {
  expect(chooseCase('boot')).toEqual(cases.find(({ name }) => name === 'boot'));
  expect(chooseCase('boot', { servers: 7 }).work).toMatchObject({ kind: 'boot', servers: 7, concurrency: 20 });
  expect(chooseCase('api', { concurrency: 16 }).work).toMatchObject({ concurrencies: [16] });
});

test('another size than the targets are for is told', () => {
  expect(chooseCase('agents', { agents: 1_000, timeLimitSeconds: 5 }).resized).toEqual(['agents 1000, not 10000']);
  expect(chooseCase('agents', { agents: 10_000 }).resized).toBeUndefined();
});

test('a small run has no targets', () => {
  expect(chooseCase('boot', {}, { small: true })).toMatchObject({ targets: [], work: { servers: 20 } });
  expect(chooseCase('boot', { servers: 3 }, { small: true }).work).toMatchObject({ servers: 3 });
});

test.each([
  { title: 'an unknown case', name: 'bot', sizes: {}, says: 'unknown case "bot" (did you mean "boot"?)' },
  { title: 'a size that means nothing', name: 'scheduler', sizes: { servers: 3 }, says: 'servers means nothing to the case scheduler' },
])('$title is refused', ({ name, sizes, says }) => {
  expect(() => chooseCase(name, sizes)).toThrow(says);
});

test('names of cases are distinct, and what makes them small are sizes that they have', () => {
  expect(new Set(cases.map(({ name }) => name)).size).toBe(cases.length);
  for (const { work, small } of cases) for (const size of Object.keys(small)) expect(Object.keys(work)).toContain(size);
});
