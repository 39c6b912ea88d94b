import type { Knex } from 'knex';

/** Whether the host reports; false for a host that is not known. */
export async function hostIsUp(knex: Knex, host: string): Promise<boolean> {
  const { rows } = await knex.raw('select up from hosts where host = ?', [host]);
  return (rows as { up: boolean }[])[0]?.up === true;
}

export async function hostIsKnown(knex: Knex, host: string): Promise<boolean> {
  const { rows } = await knex.raw('select 1 from hosts where host = ?', [host]);
  return rows.length > 0;
}
