import { expect, test } from 'vitest';
import { readApi } from './api-model.ts';

test('every export has a doc comment', { timeout: 60_000 }, () => {
  const bare = readApi().filter(({ doc }) => doc === '');
  expect(bare.map(({ kind, name, module }) => `${kind} ${name} of ${module}`)).toEqual([]);
});
