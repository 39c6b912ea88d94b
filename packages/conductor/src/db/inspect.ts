import type { DatabaseConfig } from '../config.ts';
import { openDatabase } from './connection.ts';
import { pendingMigrations } from './migrate.ts';

export interface DatabaseFindings {
  /** As the server says it: `18.4`. */
  readonly version: string;
  /** Migrations that are still to be run. */
  readonly pending: readonly string[];
}

/** Looks at the database and changes nothing, for `kilonova doctor`. Throws when it does not answer. */
export async function inspectDatabase(config: DatabaseConfig): Promise<DatabaseFindings> {
  const knex = openDatabase({ ...config, poolMax: 2 });
  try {
    const { rows } = await knex.raw<{ rows: { server_version: string }[] }>('show server_version');
    return { version: rows[0]?.server_version ?? '', pending: await pendingMigrations(knex) };
  } finally {
    await knex.destroy();
  }
}
