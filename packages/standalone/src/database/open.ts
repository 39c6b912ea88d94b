import type { Logger } from '@kilonova/runtime';
import knexModule, { type Knex } from 'knex';
import type { DatabaseLimits } from '../http/config.ts';

export interface Migration {
  /** `0001_name`; never changes once released. */
  readonly name: string;
  readonly up: (trx: Knex) => Promise<void>;
}

export interface DatabaseOptions {
  /** `postgres://user:password@host:port/database`. */
  readonly url: string;
  readonly limits: DatabaseLimits;
  /** Names of this service's tables begin with it, so that services may share one database. */
  readonly prefix: string;
  readonly migrations: readonly Migration[];
  readonly log: Logger;
}

/** Connects, brings the schema up to date and hands the database out. Throws when it cannot be reached. */
export async function openDatabase({ url, limits, prefix, migrations, log }: DatabaseOptions): Promise<Knex> {
  const db = knexModule.knex({
    client: 'pg',
    connection: {
      connectionString: url,
      application_name: `kilonova ${prefix}`,
      connectionTimeoutMillis: limits.acquireTimeoutMs,
      statement_timeout: limits.statementTimeoutMs,
      // A connection whose peer vanished without a word must not hold a request for ever.
      query_timeout: limits.statementTimeoutMs + 1_000,
    },
    pool: { min: 0, max: limits.poolSize, propagateCreateError: true },
    acquireConnectionTimeout: limits.acquireTimeoutMs,
    // Errors are logged: they show statements, never the values bound to them (hashes of passwords and tokens).
    compileSqlOnError: false,
    log: {
      warn: (message: unknown) => log.warn({ message: String(message) }, 'database warning'),
      error: (message: unknown) => log.warn({ message: String(message) }, 'database error'),
      deprecate: () => {},
      debug: () => {},
    },
  });
  try {
    await migrate(db, prefix, migrations);
  } catch (error) {
    await db.destroy();
    throw error;
  }
  return db;
}

/**
 * Knex marks a running migration with a row, which a process killed in the middle would leave behind for ever.
 * Our own lock ends with its connection; whoever holds it may clear the row.
 */
async function migrate(db: Knex, prefix: string, migrations: readonly Migration[]): Promise<void> {
  await db.transaction(async (trx) => {
    await trx.raw('select pg_advisory_xact_lock(hashtext(?))', [`kilonova migrations of ${prefix}`]);
    const settings: Knex.MigratorConfig = {
      tableName: `${prefix}_migrations`,
      migrationSource: {
        getMigrations: async () => [...migrations],
        getMigrationName: (migration: Migration) => migration.name,
        getMigration: async ({ up }: Migration) => ({ up, down: async () => {} }),
      },
    };
    await db.migrate.list(settings); // creates knex's own tables when they are missing
    await db.migrate.forceFreeMigrationsLock(settings);
    await db.migrate.latest(settings);
  });
}
