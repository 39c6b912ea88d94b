/**
 * Conductors of the last release go on working after the migrations of this one, since the schema is migrated first: it grows, and what
 * was there stays as it was. Dropping waits for the release after, when nobody reads it any more.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { freshDatabase, type FreshDatabase } from '../testing/fresh-database.ts';
import type { Database } from './connection.ts';
import { migrations, type Migration } from './migrations/index.ts';
import { schemaBreaks, schemaOf } from '../testing/schema-outline.ts';

const releases = JSON.parse(readFileSync(fileURLToPath(new URL('../../../../releases.json', import.meta.url)), 'utf8')) as readonly {
  readonly version: string;
  readonly migrations: readonly string[];
}[];
const released = releases.at(-1)!.migrations;
/** What the last release cannot run into, and why. Such a line goes when its migration is part of a release. */
const HARMLESS: Readonly<Record<string, string>> = {
  "server_migrations: a new unique index on what the last release writes: (instance_uuid) WHERE (status = 'queued'::text)":
    'release 0.1.0 writes no migration that is queued',
};
const isReleased = ({ name }: Migration) => released.includes(name);

let database: FreshDatabase;
beforeEach(async () => {
  database = await freshDatabase();
});
afterEach(() => database.close());

/** Empties the database and brings it to what the last release has. */
async function toRelease(knex: Database): Promise<void> {
  await knex.raw('drop schema public cascade; create schema public');
  for (const { up } of migrations.filter(isReleased)) await up(knex);
}

test('every released migration is still run, first and in its order', () => {
  expect(migrations.slice(0, released.length).map(({ name }) => name)).toEqual(released);
});

test('the migrations since the last release only add', async () => {
  const { knex } = database;
  await toRelease(knex);
  const before = await schemaOf(knex);
  for (const { up } of migrations.filter((migration) => !isReleased(migration))) await up(knex);
  const breaks = schemaBreaks(before, await schemaOf(knex));
  expect(breaks.filter((found) => HARMLESS[found] === undefined)).toEqual([]);
});

test.each([
  ['alter table services drop column disabled_reason', 'services.disabled_reason: the last release has it, and it is gone'],
  ['alter table services rename column disabled to off', 'services.disabled: the last release has it, and it is gone'],
  ['drop table task_log', 'task_log.id: the last release has it, and it is gone'],
  ['alter table services alter column forced_down type text', 'services.forced_down: was boolean, is text'],
  ['alter table services alter column last_seen_at set not null', 'services.last_seen_at: the last release may leave it null'],
  ['alter table services alter column disabled drop default', 'services.disabled: the last release relies on its default'],
  [
    'alter table services add column kind text not null',
    'services.kind: must have a default or may be null, for the last release does not know it',
  ],
  [
    'alter table services add check (length(host) < 9)',
    'services: a new constraint on what the last release writes: CHECK ((length(host) < 9))',
  ],
  ['create unique index on services (version)', 'services: a new unique index on what the last release writes: (version)'],
])('%s is noticed', async (statement, expected) => {
  const { knex } = database;
  await toRelease(knex);
  const before = await schemaOf(knex);
  await knex.raw(statement);
  expect(schemaBreaks(before, await schemaOf(knex))).toContain(expected);
});

test('a new table, a new column with a default and a check of it alone break nothing', async () => {
  const { knex } = database;
  await toRelease(knex);
  const before = await schemaOf(knex);
  await knex.raw(`create table extras (id integer primary key, name text not null unique);
    alter table services add column kind text not null default 'x' check (kind <> ''), add column note text;
    create unique index on services (kind) where kind <> 'x'; create index on services (version)`);
  expect(schemaBreaks(before, await schemaOf(knex))).toEqual([]);
});
