import type { Knex } from 'knex';

/** What hosts show without being given it, to be seen by operators, and by whoever gives out the next generation. */
const tables = `
create table strays (
  host text not null references hosts (host) on delete cascade,
  instance_uuid uuid not null,
  generation integer not null,
  power_state smallint not null,
  -- released, outdated, unknown, newer, unreleased: see db/strays.ts
  standing text not null,
  -- Of the domain reports, the last that showed it.
  round bigint not null,
  first_seen_at timestamptz not null default kilonova_now(),
  seen_at timestamptz not null default kilonova_now(),
  primary key (host, instance_uuid, generation)
);
create index strays_instance on strays (instance_uuid);

-- The process that speaks for the host: a copy of it that registered before is refused.
alter table hosts add column agent text;
`;

export async function up(knex: Knex): Promise<void> {
  await knex.raw(tables);
}

export async function down(): Promise<void> {
  throw new Error('this migration has no way back');
}
