import knexFactory, { type Knex } from 'knex';
import { type ClientConfig, types as parsers } from 'pg';
import type { DatabaseConfig } from '../config.ts';
import { preparing } from './prepared-statements.ts';

// bigint columns hold counters far below 2^53; times stay text, because a JavaScript date loses microseconds.
const INT8 = 20;
const TIMESTAMPTZ = 1184;
const types = {
  getTypeParser: (oid: number, format?: 'text' | 'binary'): unknown => {
    if (oid === INT8) return Number;
    if (oid === TIMESTAMPTZ) return isoTime;
    return parsers.getTypeParser(oid, format);
  },
};

/** Letters of `2026-01-31 12:00:00.000001+00`, the form of nearly all times. */
const WHOLE_TIME = 29;

/** PostgreSQL's text of a time in a session in UTC, as ISO 8601 with microseconds: `2026-01-31T12:00:00.000001Z`. */
const isoTime = (text: string): string => {
  if (text.length === WHOLE_TIME && text.endsWith('+00')) return `${text.slice(0, 10)}T${text.slice(11, 26)}Z`;
  const match = /^(\d{4}-\d{2}-\d{2}) (\d{2}:\d{2}:\d{2})(?:\.(\d{1,6}))?\+00$/.exec(text);
  return match === null ? text : `${match[1]}T${match[2]}.${(match[3] ?? '').padEnd(6, '0')}Z`;
};

const ignore = () => undefined;

/** What a connection of a conductor is opened with: limits of its statements, its time zone, how values are read. */
export const connectionSettings = (config: DatabaseConfig): ClientConfig => ({
  connectionString: config.url,
  connectionTimeoutMillis: config.connectTimeoutMs,
  statement_timeout: config.statementTimeoutMs,
  lock_timeout: config.lockTimeoutMs,
  idle_in_transaction_session_timeout: config.idleTransactionTimeoutMs,
  // A server that vanished without a word must not hold a query for ever.
  ...(config.statementTimeoutMs > 0 && { query_timeout: config.statementTimeoutMs + 2 * config.connectTimeoutMs }),
  keepAlive: true,
  application_name: 'kilonova-conductor',
  // Short queries on rows that are in memory: an index costs little more than a page in order, and compiling never pays.
  options: '-c timezone=UTC -c default_transaction_isolation=read\\ committed -c random_page_cost=1.1 -c jit=off',
  types,
});

/** Where connections come from when they are handed in, as a pool of pg gives them. */
export interface ConnectionSource {
  connect(): Promise<object>;
}

/**
 * A bounded pool of connections. Nothing is opened before the first query. A query that finds no connection in time
 * rejects, see `isUnavailable` in `db/unavailable.ts`.
 *
 * @param source gives connections opened with `connectionSettings`; default: a pool of its own, which ends with the Knex
 */
export const openDatabase = (config: DatabaseConfig, source?: ConnectionSource): Knex =>
  knexFactory({
    client: preparing(config.preparedStatements),
    ...(source === undefined
      ? {
          connection: connectionSettings(config) as Knex.PgConnectionConfig,
          pool: { min: 0, max: config.poolMax, idleTimeoutMillis: 30_000 },
        }
      : { connectionPool: source }),
    acquireConnectionTimeout: config.acquireTimeoutMs,
    asyncStackTraces: false,
    // Errors are logged and reach callers: they show statements, never the values bound to them (user data, keys).
    compileSqlOnError: false,
    // What goes wrong reaches whoever asked, and is logged there; knex would print it besides.
    log: { warn: ignore, error: ignore, debug: ignore, deprecate: ignore },
  } as Knex.Config);

/** The words that code outside of `db/` uses: knex stays in here. */
export type Database = Knex;
export type Transaction = Knex.Transaction;

/** What knex keeps its connections in (tarn); its types do not tell. */
interface ConnectionPool {
  readonly max: number;
  numUsed(): number;
  numFree(): number;
  numPendingAcquires(): number;
}

/** How far the connections of this process are in use. */
export function poolOf(knex: Database): { readonly used: number; readonly free: number; readonly waiting: number; readonly limit: number } {
  const pool = (knex.client as { readonly pool: ConnectionPool }).pool;
  return { used: pool.numUsed(), free: pool.numFree(), waiting: pool.numPendingAcquires(), limit: pool.max };
}
