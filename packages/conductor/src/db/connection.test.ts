import { defaultsOf } from '@kilonova/runtime';
import { afterAll, expect, test } from 'vitest';
import { databaseSection } from '../config.ts';
import { openDatabase } from './connection.ts';

const knex = openDatabase({ ...defaultsOf(databaseSection), url: process.env['KILONOVA_TEST_PG_URL'] ?? '', poolMax: 2 });
afterAll(() => knex.destroy());

test('an error of the database shows the statement, and not what was bound to it', async () => {
  const error = (await knex.raw('select cast(? as text), 1 / 0', ['hush']).catch((one: unknown) => one)) as Error;
  expect(error.message).toContain('division by zero');
  expect(error.message).toContain('1 / 0');
  expect(`${error.message}${error.stack}`).not.toContain('hush');
});
