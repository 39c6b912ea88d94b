import { afterEach, beforeEach, expect, test } from 'vitest';
import { freshDatabase, type FreshDatabase } from '../testing/fresh-database.ts';
import { inspectDatabase } from './inspect.ts';
import { migrateDatabase, newerRelease } from './migrate.ts';
import { migrations, type Migration } from './migrations/index.ts';

let database: FreshDatabase;
beforeEach(async () => {
  database = await freshDatabase();
});
afterEach(() => database.close());

const names = migrations.map(({ name }) => name);
const future = (sql = 'create table future (id integer)'): Migration => ({
  name: '0099-future',
  up: async (knex) => void (await knex.raw(sql)),
  down: async (knex) => void (await knex.raw('drop table future')),
});

test('what was applied is named, and a second time nothing is', async () => {
  await database.knex.raw('drop schema public cascade; create schema public');
  expect(await migrateDatabase(database.config)).toEqual({ applied: names, unknown: [] });
  expect(await migrateDatabase(database.config)).toEqual({ applied: [], unknown: [] });
});

test('a database of a newer release is named as such, and nothing is done to it', async () => {
  await migrateDatabase(database.config, [...migrations, future()]);
  expect(await migrateDatabase(database.config)).toEqual({ applied: [], unknown: ['0099-future'] });
  expect(newerRelease(['0099-future'])).toBe('the database is of a newer release: it has 0099-future, which this program does not know');
  expect(await inspectDatabase(database.config)).toMatchObject({ pending: [], unknown: ['0099-future'] });
});

test('a database that has what this release does not know and lacks what it has is left alone', async () => {
  await migrateDatabase(database.config, [...migrations, future()]);
  const other = { ...future('create table other (id integer)'), name: '0006-other' };
  await expect(migrateDatabase(database.config, [...migrations, other])).rejects.toThrow('it lacks 0006-other');
});

test('a migration that fails names itself and its reason, without its statement', async () => {
  const failing = migrateDatabase(database.config, [...migrations, future('alter table nothing_there add column x integer')]);
  await expect(failing).rejects.toThrow(/^the migration 0099-future failed: relation "nothing_there" does not exist$/);
  expect(await migrateDatabase(database.config)).toEqual({ applied: [], unknown: [] });
});
