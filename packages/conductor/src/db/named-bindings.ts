/**
 * Statements with `:named` bindings, taken apart once per text: knex would look at every letter three times for each run.
 * A text means what it means to knex, and what is unusual is left to it.
 */
import type { Knex } from 'knex';

type Bindings = Readonly<Record<string, unknown>>;

interface Template {
  /** With $1, $2, ... */
  readonly sql: string;
  /** The binding of each place. */
  readonly names: readonly string[];
}

const templates = new Map<string, Template>();
/** Texts that are built anew for each request must not fill the memory. */
const MOST_TEMPLATES = 1_000;

/** The statement, ready to be awaited. */
export function statement(knex: Knex, sql: string, bindings: Bindings): Knex.Raw {
  const template = templateOf(sql, bindings);
  const values = template?.names.map((name) => bindings[name]);
  if (template === undefined || values?.includes(undefined) === true) return knex.raw(sql, bindings as Record<string, Knex.Value>);
  return knex.raw(template.sql).options({ values });
}

/** Undefined for a text that only knex can read: escapes, identifiers as bindings. */
function templateOf(sql: string, bindings: Bindings): Template | undefined {
  const known = templates.get(sql);
  if (known !== undefined) return known;
  if (sql.includes('?') || sql.includes('\\') || sql.includes('$')) return undefined;
  const names: string[] = [];
  let identifiers = false;
  const text = sql.replaceAll(/:(\w+)(:?)/g, (found: string, name: string, colon: string) => {
    if (!Object.hasOwn(bindings, name)) return found;
    identifiers ||= colon !== '';
    return `$${names.push(name)}`;
  });
  if (identifiers) return undefined;
  const template = { sql: text, names };
  if (templates.size < MOST_TEMPLATES) templates.set(sql, template);
  return template;
}
