import type { Knex } from 'knex';
import { statement } from './named-bindings.ts';

/** The rows of a statement with `:named` bindings. Write `cast(:x as text[])`: knex reads `:x::` as an identifier. */
export async function rowsOf<Row>(knex: Knex, sql: string, bindings: Readonly<Record<string, unknown>> = {}): Promise<Row[]> {
  const result = (await statement(knex, sql, bindings)) as { rows: Row[] };
  return result.rows;
}

/** How many rows a statement changed. */
export async function changedBy(knex: Knex, sql: string, bindings: Readonly<Record<string, unknown>> = {}): Promise<number> {
  const result = (await statement(knex, sql, bindings)) as { rowCount: number | null };
  return result.rowCount ?? 0;
}

const UUID = /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i;

/** False for what a uuid column refuses to compare with: such a row does not exist. */
export const isUuid = (text: string): boolean => UUID.test(text);

const GREATEST_INTEGER = 2_147_483_647;

/** False for what an integer column cannot hold: such a row does not exist. */
export const isRowId = (id: number): boolean => Number.isInteger(id) && id > 0 && id <= GREATEST_INTEGER;

/** SQL: a time inside of JSON, in the form that times have everywhere (ISO 8601 in UTC with microseconds). */
export const isoText = (time: string): string => `to_char(${time} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;
