import { defaultsOf, systemRandom } from '@kilonova/runtime';
import { databaseSection, type DatabaseConfig } from '../config.ts';
import { openDatabase, type Database } from '../db/connection.ts';
import { migrateDatabase } from '../db/migrate.ts';

export interface FreshDatabase {
  readonly knex: Database;
  readonly config: DatabaseConfig;
  /** A connection beside the database, that outlives its refusals. */
  asServer(): Database;
  /** Closes the pool and drops the database. */
  close(): Promise<void>;
}

/** A migrated database of its own on the PostgreSQL that KILONOVA_TEST_PG_URL names. @throws Error when it names none */
export async function freshDatabase(changes: Partial<DatabaseConfig> = {}): Promise<FreshDatabase> {
  const url = process.env['KILONOVA_TEST_PG_URL'];
  if (url === undefined || url === '')
    throw new Error('KILONOVA_TEST_PG_URL: expected the address of a PostgreSQL; run `npm test`, which starts one');
  const name = `conductor_${systemRandom.text(12).toLowerCase()}`;
  const server = openDatabase({ ...defaultsOf(databaseSection), url, poolMax: 2 });
  await server.raw('create database ??', [name]);
  const own = new URL(url);
  own.pathname = `/${name}`;
  const config = { ...defaultsOf(databaseSection), url: own.href, ...changes };
  await migrateDatabase(config);
  const knex = openDatabase(config);
  return {
    knex,
    config,
    asServer: () => server,
    async close() {
      await knex.destroy();
      await server.raw('drop database ?? with (force)', [name]);
      await server.destroy();
    },
  };
}
