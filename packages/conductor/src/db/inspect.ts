import type { DatabaseConfig } from '../config.ts';
import { openDatabase } from './connection.ts';
import { invariants, type Violation } from './invariants/index.ts';
import { compareMigrations } from './migrate.ts';
import { countStrays, type StrayCount } from './strays.ts';

export interface DatabaseFindings {
  /** As the server says it: `18.4`. */
  readonly version: string;
  /** Migrations that are still to be run. */
  readonly pending: readonly string[];
  /** Migrations of a newer release. */
  readonly unknown: readonly string[];
  /** Where what must always hold does not hold; not looked for while migrations are pending. */
  readonly violations: readonly (Violation & { readonly invariant: string })[];
  /** Domains that hosts show without being given them, by host and by what is known of them. */
  readonly strays: readonly StrayCount[];
}

/** Violations of one invariant that are told. */
const LIMIT = 100;
/** A task may still be ending for so long after its deadline. */
const OVERDUE_MS = 30_000;

/** Looks at the database and changes nothing, for `kilonova doctor`. Throws when it does not answer. */
export async function inspectDatabase(config: DatabaseConfig): Promise<DatabaseFindings> {
  const knex = openDatabase({ ...config, poolMax: 2 });
  try {
    const { rows } = await knex.raw<{ rows: { server_version: string }[] }>('show server_version');
    const { pending, unknown } = await compareMigrations(knex);
    const violations: (Violation & { readonly invariant: string })[] = [];
    for (const { name, find } of pending.length > 0 ? [] : invariants)
      for (const { subject, detail } of await find(knex, { limit: LIMIT, overdueMs: OVERDUE_MS }))
        violations.push({ invariant: name, subject, detail });
    const strays = pending.length > 0 ? [] : await countStrays(knex);
    return { version: rows[0]?.server_version ?? '', pending, unknown, violations, strays };
  } finally {
    await knex.destroy();
  }
}

/** Throws when the database does not answer. */
export async function reachDatabase(config: DatabaseConfig): Promise<void> {
  const knex = openDatabase({ ...config, poolMax: 2 });
  try {
    await knex.raw('select 1');
  } finally {
    await knex.destroy();
  }
}
