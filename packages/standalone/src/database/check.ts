import type { Check } from '@kilonova/runtime';
import type { Knex } from 'knex';

/** Asks the database one question. Bounded by the pool's and the statement's time limits. */
export async function checkDatabase(db: Knex): Promise<Check> {
  try {
    await db.raw('select 1');
    return { ok: true };
  } catch (error) {
    return { ok: false, reason: `database: ${error instanceof Error ? error.message : String(error)}` };
  }
}
