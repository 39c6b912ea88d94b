import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { sections } from './sections.ts';
import { configurationPage } from './table.ts';

test('docs/configuration.md is what the sections say', () => {
  const page = readFileSync(fileURLToPath(new URL('../../../../docs/configuration.md', import.meta.url)), 'utf8');
  expect(page, 'run: npx kilonova config > docs/configuration.md').toBe(configurationPage(sections));
});

test('no secret is shown, not even a default one', () => {
  expect(configurationPage(sections)).not.toContain('guest:guest');
});
