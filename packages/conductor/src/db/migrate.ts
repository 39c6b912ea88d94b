import type { Knex } from 'knex';
import type { DatabaseConfig } from '../config.ts';
import { openDatabase } from './connection.ts';
import { migrations, type Migration } from './migrations/index.ts';

/** Any number that nobody else locks in this database. */
const MIGRATION_LOCK = 4_815_162_342;

/** Of these migrations; a failure names the one that failed, and its reason without the statement. */
const sourceOf = (known: readonly Migration[]): Knex.MigrationSource<Migration> => ({
  getMigrations: async () => [...known],
  getMigrationName: (migration) => migration.name,
  getMigration: async ({ name, up, down, config }) => ({
    up: (knex: Knex) => up(knex).catch((error: unknown) => Promise.reject(failureOf(name, error))),
    down,
    ...(config !== undefined && { config }),
  }),
});

/** knex puts the whole statement before what the database says. */
function failureOf(name: string, error: unknown): Error {
  const message = error instanceof Error ? error.message : String(error);
  const reason = message.slice(message.lastIndexOf(' - ') + 1).replace(/^- /, '');
  return new Error(`the migration ${name} failed: ${reason}`, { cause: error });
}

/** How the database stands to this release. */
export interface ComparedMigrations {
  /** Still to be run. */
  readonly pending: readonly string[];
  /** Of a newer release, which this one works with all the same: migrations only add. */
  readonly unknown: readonly string[];
}

/**
 * Brings the database to this release. Several may call it at once: an advisory lock lets one work at a time, and it
 * goes with its session, so that a process that died in the middle locks nobody out.
 *
 * @returns the names of the migrations that ran (none when there was nothing to do), and of those that only a newer release knows.
 * @throws Error when a migration fails, which can then be run again, or when the database is of neither an older nor a newer release.
 */
export async function migrateDatabase(
  config: DatabaseConfig,
  known: readonly Migration[] = migrations,
): Promise<{ readonly applied: readonly string[]; readonly unknown: readonly string[] }> {
  const knex = openDatabase({ ...config, poolMax: 2, statementTimeoutMs: 0, lockTimeoutMs: 0, preparedStatements: 0 });
  try {
    return await withAdvisoryLock(knex, async () => {
      const { pending, unknown } = await compareMigrations(knex, known);
      if (unknown.length > 0 && pending.length > 0)
        throw new Error(`${newerRelease(unknown)}; it lacks ${pending.join(', ')}, so it is of no release that follows this one`);
      const [, applied] = (await knex.migrate.latest({
        migrationSource: sourceOf(known),
        tableName: 'kilonova_migrations',
        disableMigrationsListValidation: true, // its own words are about a folder of files
      })) as [number, string[]];
      return { applied, unknown };
    });
  } finally {
    await knex.destroy();
  }
}

export async function compareMigrations(knex: Knex, known: readonly Migration[] = migrations): Promise<ComparedMigrations> {
  const exists = await knex.schema.hasTable('kilonova_migrations');
  const done = exists ? ((await knex('kilonova_migrations').orderBy('id').pluck('name')) as string[]) : [];
  const names = known.map(({ name }) => name);
  return { pending: names.filter((name) => !done.includes(name)), unknown: done.filter((name) => !names.includes(name)) };
}

export const newerRelease = (unknown: readonly string[]): string =>
  `the database is of a newer release: it has ${unknown.join(', ')}, which this program does not know`;

async function withAdvisoryLock<T>(knex: Knex, act: () => Promise<T>): Promise<T> {
  const connection: unknown = await knex.client.acquireConnection();
  try {
    await knex.raw('select pg_advisory_lock(?)', [MIGRATION_LOCK]).connection(connection);
    try {
      return await act();
    } finally {
      await knex.raw('select pg_advisory_unlock(?)', [MIGRATION_LOCK]).connection(connection);
    }
  } finally {
    await knex.client.releaseConnection(connection);
  }
}
