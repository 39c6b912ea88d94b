import type { Database } from '../db/connection.ts';
import { rowsOf } from '../db/rows.ts';

interface Column {
  readonly table: string;
  readonly name: string;
  readonly type: string;
  readonly nullable: boolean;
  /** By a default, an identity, or as a generated column. */
  readonly filled: boolean;
}

/** A check, a key to another table, or a unique index: what may refuse a row. */
interface Refuser {
  readonly table: string;
  readonly kind: 'constraint' | 'unique index';
  readonly definition: string;
  readonly columns: readonly string[];
}

/** What decides whether statements of another release work. */
export interface SchemaOutline {
  readonly columns: readonly Column[];
  readonly refusers: readonly Refuser[];
}

export async function schemaOf(knex: Database): Promise<SchemaOutline> {
  const columns = await rowsOf<Column>(
    knex,
    `select c.relname as "table", a.attname as name, format_type(a.atttypid, a.atttypmod) as type, not a.attnotnull as nullable,
       a.atthasdef or a.attidentity <> '' as filled
     from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
     where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') order by c.relname, a.attnum`,
  );
  const constraints = await rowsOf<Refuser>(
    knex,
    `select c.relname as "table", 'constraint' as kind, pg_get_constraintdef(k.oid) as definition,
       array(select a.attname::text from pg_attribute a where a.attrelid = c.oid and a.attnum = any (k.conkey)) as columns
     from pg_constraint k join pg_class c on c.oid = k.conrelid
     where c.relnamespace = 'public'::regnamespace and k.contype in ('c', 'f', 'x') order by 1, 3`,
  );
  const indexes = await rowsOf<Refuser>(
    knex,
    `select c.relname as "table", 'unique index' as kind,
       substring(pg_get_indexdef(i.indexrelid) from 'USING \\w+ (.*)$') as definition,
       array(select a.attname::text from pg_attribute a where a.attrelid = c.oid and a.attnum = any (i.indkey)) as columns
     from pg_index i join pg_class c on c.oid = i.indrelid
     where c.relnamespace = 'public'::regnamespace and i.indisunique order by 1, 3`,
  );
  return { columns, refusers: [...constraints, ...indexes] };
}

/** Why a release that knows only `before` would not work with `after`; a sentence each. */
export function schemaBreaks(before: SchemaOutline, after: SchemaOutline): readonly string[] {
  const at = ({ table, name }: Pick<Column, 'table' | 'name'>) => `${table}.${name}`;
  const now = new Map(after.columns.map((column) => [at(column), column]));
  const known = new Set(before.columns.map(at));
  const tables = new Set(before.columns.map(({ table }) => table));
  const columns = before.columns.flatMap((column) => {
    const found = now.get(at(column));
    if (found === undefined) return [`${at(column)}: the last release has it, and it is gone`];
    if (found.type !== column.type) return [`${at(column)}: was ${column.type}, is ${found.type}`];
    if (column.nullable && !found.nullable) return [`${at(column)}: the last release may leave it null`];
    return column.filled && !found.filled ? [`${at(column)}: the last release relies on its default`] : [];
  });
  const added = after.columns
    .filter((column) => tables.has(column.table) && !known.has(at(column)) && !column.nullable && !column.filled)
    .map((column) => `${at(column)}: must have a default or may be null, for the last release does not know it`);
  const old = new Set(before.refusers.map(({ table, definition }) => `${table} ${definition}`));
  const refusers = after.refusers
    .filter(({ table, definition }) => tables.has(table) && !old.has(`${table} ${definition}`))
    // What is about new columns alone the last release cannot break: it leaves them at their defaults.
    .filter(({ table, columns: of }) => of.length === 0 || of.some((name) => known.has(`${table}.${name}`)))
    .map(({ table, kind, definition }) => `${table}: a new ${kind} on what the last release writes: ${definition}`);
  return [...columns, ...added, ...refusers];
}
