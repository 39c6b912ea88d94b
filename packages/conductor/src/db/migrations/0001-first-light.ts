import type { Knex } from 'knex';
import { hostTables } from './0001-first-light/hosts.ts';
import { instanceTables } from './0001-first-light/instances.ts';
import { projectTables } from './0001-first-light/projects.ts';
import { taskTables } from './0001-first-light/tasks.ts';

/**
 * SQL reads time only through kilonova_now(): the database's clock at the start of the transaction, or the session
 * setting `kilonova.now` in simulation.
 */
const clock = `
create function kilonova_now() returns timestamptz language sql stable parallel safe as $$
  select coalesce(nullif(current_setting('kilonova.now', true), '')::timestamptz, now())
$$;
`;

export async function up(knex: Knex): Promise<void> {
  for (const part of [clock, projectTables, hostTables, instanceTables, taskTables]) await knex.raw(part);
}

export async function down(): Promise<void> {
  throw new Error('the first migration has no way back: drop the database instead');
}
