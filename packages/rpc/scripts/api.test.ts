import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readApi } from './api-model.ts';
import { limitsPage } from './limits-page.ts';
import { packageFolder } from './packed.ts';

test('every export has a doc comment, and docs/limits.md is what the comments say', { timeout: 60_000 }, () => {
  const items = readApi();
  const bare = items.filter(({ doc }) => doc === '');
  expect(bare.map(({ kind, name, module }) => `${kind} ${name} of ${module}`)).toEqual([]);
  const page = readFileSync(join(packageFolder, 'docs', 'limits.md'), 'utf8');
  expect(page, 'run `npm run docs -w packages/rpc`').toBe(limitsPage(items));
});
