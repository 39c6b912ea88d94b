/**
 * Statements that PostgreSQL parses and plans once per connection instead of each time: every text gets a name, under
 * which a connection keeps it. The texts are counted, so that what is built anew for each request does not fill the
 * memory of the server.
 */
import { createRequire } from 'node:module';
import type { Knex } from 'knex';

// Names inside of knex.
const QUERY = '_query';
const DISPOSED = '__knex__disposed';

/** What knex hands its dialect for one statement. */
interface Statement {
  readonly sql: string;
  options?: object;
}

interface Connection {
  /** Set, the pool closes it instead of giving it out again. */
  [DISPOSED]?: unknown;
}

interface Dialect extends Knex.Client {
  positionBindings(sql: string): string;
  [QUERY](connection: Connection, statement: Statement): Promise<unknown>;
}

// knex offers its dialects by their paths alone.
const Postgres = createRequire(import.meta.url)('knex/lib/dialects/postgres/index.js') as new (config: Knex.Config) => Dialect;

/** The dialect of PostgreSQL; `most` texts are prepared on each connection, further ones are planned each time. */
export function preparing(most: number): typeof Knex.Client {
  const names = new Map<string, string>();
  const nameOf = (sql: string): string | undefined => {
    let name = names.get(sql);
    if (name === undefined && names.size < most && isRepeatable(sql)) names.set(sql, (name = `s${names.size}`));
    return name;
  };
  class PreparingPostgres extends Postgres {
    /** knex looks at every letter of a text for its placeholders, for each run of it. */
    override positionBindings(sql: string): string {
      return sql.includes('?') ? super.positionBindings(sql) : sql;
    }
    override async [QUERY](connection: Connection, statement: Statement): Promise<unknown> {
      const name = nameOf(statement.sql);
      if (name !== undefined) statement.options = { ...statement.options, name };
      try {
        return await super[QUERY](connection, statement);
      } catch (error) {
        if (isStalePlan(error)) connection[DISPOSED] = error;
        throw error;
      }
    }
  }
  return PreparingPostgres as object as typeof Knex.Client;
}

/** Words that steer a transaction, or define tables, are not worth a name; several statements in one text cannot have one. */
const isRepeatable = (sql: string): boolean => /^\s*(with|select|insert|update|delete)\b[^;]*$/i.test(sql);

/** A migration changed the columns that a prepared statement gives; another connection prepares it anew. */
export const isStalePlan = (error: unknown): boolean =>
  error instanceof Error &&
  (error as { code?: unknown }).code === '0A000' &&
  error.message.includes('cached plan must not change result type');
