import { defaultsOf } from '@kilonova/runtime';
import { expect, test } from 'vitest';
import { schedulerSection } from '../config.ts';
import { enabledFilters } from './index.ts';
import { filterNames } from './names.ts';

test('the names that may be configured are those of all filters', () => {
  expect(enabledFilters(defaultsOf(schedulerSection)).map(({ name }) => name)).toEqual(filterNames);
});
