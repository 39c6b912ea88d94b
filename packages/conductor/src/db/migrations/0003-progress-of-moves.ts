import type { Knex } from 'knex';

/**
 * Live migrations that wait for a place, and progress that hosts report of those that run. Only adds: a conductor of the
 * release before goes on with the same tables.
 */
const additions = `
-- The highest number that progress was reported under; an older report is ignored.
alter table server_migrations add column progress_number bigint not null default 0;

-- A queued migration is open too, but the generated column "open" of 0002 does not know it.
create unique index server_migrations_one_queued on server_migrations (instance_uuid) where status = 'queued';
create index server_migrations_queue on server_migrations (source_host, id) where status = 'queued';
-- Those that take a place of their source host.
create index server_migrations_placed on server_migrations (source_host)
  where type = 'live-migration' and status in ('preparing', 'running', 'post-migrating');
`;

export async function up(knex: Knex): Promise<void> {
  await knex.raw(additions);
}

export async function down(): Promise<void> {
  throw new Error('this migration has no way back');
}
