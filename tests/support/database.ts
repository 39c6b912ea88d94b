import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { serviceAddress } from './environment.ts';

export interface TestDatabase {
  readonly name: string;
  readonly url: string;
  /** One statement on a connection of its own. */
  query<Row extends object>(sql: string, values?: readonly unknown[]): Promise<readonly Row[]>;
  /** Ends what is still connected and removes it. */
  drop(): Promise<void>;
}

/** An empty database on a PostgreSQL, if none is named that of this test run: one per test file, so that files may run at the same time. */
export async function freshDatabase(server: string = serviceAddress('KILONOVA_TEST_PG_URL')): Promise<TestDatabase> {
  const name = `t${randomBytes(6).toString('hex')}`;
  await run(server, `CREATE DATABASE ${name}`);
  const address = new URL(server);
  address.pathname = `/${name}`;
  return {
    name,
    url: address.href,
    query: (sql, values) => run(address.href, sql, values),
    drop: async () => void (await run(server, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)),
  };
}

async function run<Row extends object>(url: string, sql: string, values: readonly unknown[] = []): Promise<readonly Row[]> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 10_000 });
  client.on('error', () => undefined); // a statement that it ends rejects by itself; between two nobody else would hear it
  await client.connect();
  try {
    return (await client.query<Row>(sql, [...values])).rows;
  } finally {
    await client.end();
  }
}
