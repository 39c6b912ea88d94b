import type { Knex } from 'knex';
import type { DatabaseConfig } from '../config.ts';
import { openDatabase } from './connection.ts';
import { migrations, type Migration } from './migrations/index.ts';

/** Any number that nobody else locks in this database. */
const MIGRATION_LOCK = 4_815_162_342;

const migrationSource: Knex.MigrationSource<Migration> = {
  getMigrations: async () => [...migrations],
  getMigrationName: (migration) => migration.name,
  getMigration: async ({ up, down, config }) => ({ up, down, ...(config !== undefined && { config }) }),
};

/**
 * Brings the database to this release. Several may call it at once: an advisory lock lets one work at a time, and it
 * goes with its session, so that a process that died in the middle locks nobody out.
 *
 * @returns the names of the migrations that ran; empty when there was nothing to do.
 * @throws Error when the database is ahead of this release or a migration fails, which can then be run again.
 */
export async function migrateDatabase(config: DatabaseConfig): Promise<readonly string[]> {
  const knex = openDatabase({ ...config, poolMax: 2, statementTimeoutMs: 0, lockTimeoutMs: 0, preparedStatements: 0 });
  try {
    return await withAdvisoryLock(knex, async () => {
      const [, names] = (await knex.migrate.latest({
        migrationSource,
        tableName: 'kilonova_migrations',
        disableMigrationsListValidation: false,
      })) as [number, string[]];
      return names;
    });
  } finally {
    await knex.destroy();
  }
}

/** The names of the migrations that are still to be run. */
export async function pendingMigrations(knex: Knex): Promise<readonly string[]> {
  const exists = await knex.schema.hasTable('kilonova_migrations');
  const done = exists ? ((await knex('kilonova_migrations').pluck('name')) as string[]) : [];
  return migrations.map(({ name }) => name).filter((name) => !done.includes(name));
}

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
