import type { Knex } from 'knex';
import { rowsOf } from './rows.ts';

/** Hosts that ever registered and were not deleted. */
export async function countHosts(knex: Knex): Promise<number> {
  const rows = await rowsOf<{ hosts: number }>(knex, 'select cast(count(*) as integer) as hosts from hosts', {});
  return rows[0]?.hosts ?? 0;
}
