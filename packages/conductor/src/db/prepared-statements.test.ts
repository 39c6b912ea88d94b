import { expect, test, onTestFinished } from 'vitest';
import { freshDatabase } from '../testing/fresh-database.ts';
import { isTransient } from './unavailable.ts';

const database = async (preparedStatements: number) => {
  const fresh = await freshDatabase({ preparedStatements, poolMax: 1 });
  onTestFinished(() => fresh.close());
  return fresh.knex;
};

const prepared = async (knex: Awaited<ReturnType<typeof database>>): Promise<readonly string[]> => {
  const { rows } = (await knex.raw(`table pg_prepared_statements`)) as { rows: readonly { statement: string }[] };
  return rows.map(({ statement }) => statement);
};

test('a statement is prepared once per connection, whatever is bound to it', async () => {
  const knex = await database(10);
  for (const value of [1, 2, 3]) await knex.raw('select cast(? as integer) + 1 as next', [value]);
  expect((await prepared(knex)).filter((text) => text.includes('as next'))).toHaveLength(1);
});

test('no more texts are prepared than allowed, and the others work all the same', async () => {
  const knex = await database(3);
  for (const name of ['a', 'b', 'c', 'd', 'e']) {
    const { rows } = (await knex.raw(`select cast(? as integer) as ${name}`, [7])) as { rows: readonly object[] };
    expect(rows).toEqual([{ [name]: 7 }]);
  }
  expect(await prepared(knex)).toHaveLength(3);
  expect(await prepared(await database(0))).toHaveLength(0);
});

test('after a migration changed its columns a statement fails once, as worth another try, and works on the next connection', async () => {
  const knex = await database(10);
  await knex.raw('create table things (id integer)');
  const read = () => knex.raw('select * from things');
  await read();
  await knex.raw('alter table things add column name text');
  const error: unknown = await read().catch((caught: unknown) => caught);
  expect(error).toMatchObject({ code: '0A000' });
  expect(isTransient(error)).toBe(true);
  await expect(read()).resolves.toMatchObject({ rows: [] });
});

test('a statement that begins with a comment is planned each time', async () => {
  const knex = await database(10);
  for (const value of [1, 2]) await knex.raw('/* planned each time */ select cast(? as integer) as next', [value]);
  expect((await prepared(knex)).filter((text) => text.includes('as next'))).toEqual([]);
});
