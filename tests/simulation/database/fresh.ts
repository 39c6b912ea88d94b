import { databaseSection, migrateDatabase, type DatabaseConfig } from '@kilonova/conductor';
import { defaultsOf } from '@kilonova/runtime';
import { Client } from 'pg';
import { freshDatabase, type TestDatabase } from '../../support/database.ts';
import { serviceAddress } from '../../support/environment.ts';

/** A migrated database of which every simulation gets a copy that is the same to the last byte. */
export class Template {
  readonly #database: TestDatabase;
  #copies = 0;

  private constructor(database: TestDatabase) {
    this.#database = database;
  }

  static async make(): Promise<Template> {
    const database = await freshDatabase();
    await migrateDatabase(configOf(database.url));
    const tables = await database.query<{ name: string }>(
      `select format('%I', relname) as name from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace order by relname`,
    );
    // The server's own upkeep comes when it likes, and with it other plans.
    for (const { name } of tables) await database.query(`alter table ${name} set (autovacuum_enabled = false)`);
    return new Template(database);
  }

  async copy(): Promise<{ readonly config: DatabaseConfig; drop(): Promise<void> }> {
    const { name, url, query } = this.#database;
    const copy = `${name}_${++this.#copies}`;
    await onServer(`create database ${copy} template ${name}`);
    // What a simulation loses with the machine is lost with its seed at hand.
    await query(`alter database ${copy} set synchronous_commit = off`);
    const address = new URL(url);
    address.pathname = `/${copy}`;
    return { config: configOf(address.href), drop: () => onServer(`drop database if exists ${copy} with (force)`) };
  }

  drop(): Promise<void> {
    return this.#database.drop();
  }
}

/** Real time means nothing here: no statement is given up for it. */
const configOf = (url: string): DatabaseConfig =>
  defaultsOf(databaseSection, { url, statementTimeoutMs: 0, lockTimeoutMs: 0, idleTransactionTimeoutMs: 0, connectTimeoutMs: 10_000 });

async function onServer(sql: string): Promise<void> {
  const client = new Client({ connectionString: serviceAddress('KILONOVA_TEST_PG_URL') });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}
