import { afterAll, beforeAll, expect, test } from 'vitest';
import { freshDatabase, type FreshDatabase } from '../testing/fresh-database.ts';
import { rowsOf } from './rows.ts';

let database: FreshDatabase;
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.close());

test.each<[string, string, Record<string, unknown>, object]>([
  [
    'a name may stand in several places, of several types',
    'select cast(:x as integer) as n, cast(:x as text) as t',
    { x: 7 },
    { n: 7, t: '7' },
  ],
  [
    'what is bound by no name stays',
    `select to_char(cast(:at as date), 'HH24:MI') as at, '{"a":1}' as j`,
    { at: '2026-01-31' },
    { at: '00:00', j: '{"a":1}' },
  ],
  [
    'null and lists are values',
    'select cast(:none as text) as none, cast(:all as text[]) as "all"',
    { none: null, all: ['a', 'b'] },
    { none: null, all: ['a', 'b'] },
  ],
  ['what is bound and not named does no harm', 'select cast(:x as integer) as n', { x: 1, more: 2 }, { n: 1 }],
  ['a name between colons is an identifier, as knex has it', 'select 1 as :name:', { name: 'x' }, { x: 1 }],
  ['nothing bound', 'select 1 as n', {}, { n: 1 }],
])('%s', async (_title, sql, bindings, expected) => {
  // The second run takes the text as the first one left it.
  for (let run = 0; run < 2; run += 1) expect(await rowsOf(database.knex, sql, bindings)).toEqual([expected]);
});

test('the same text with other values gives other rows, also inside a transaction', async () => {
  const sql = 'select cast(:x as integer) as n';
  expect(await rowsOf(database.knex, sql, { x: 1 })).toEqual([{ n: 1 }]);
  expect(await database.knex.transaction((trx) => rowsOf(trx, sql, { x: 2 }))).toEqual([{ n: 2 }]);
});

test('a value that is missing is refused before anything is sent', async () => {
  await expect(rowsOf(database.knex, 'select cast(:x as integer) as n', { x: undefined })).rejects.toThrow('Undefined binding(s)');
});
