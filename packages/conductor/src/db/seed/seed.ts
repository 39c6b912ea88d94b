/**
 * Fills the database of a test cloud with servers, by sets, so that what a large cloud does to lists can be measured. What
 * is seeded keeps every invariant: allocations, sums of hosts and quota usages agree. Seeded servers stand on seeded hosts
 * that are down and disabled, so that neither a scheduler nor an agent meets them.
 */
import { Flavor, Image, version } from '@kilonova/objects';
import type { Knex } from 'knex';
import type { DatabaseConfig } from '../../config.ts';
import { openDatabase } from '../connection.ts';
import { compareMigrations } from '../migrate.ts';
import { rowsOf } from '../rows.ts';

export interface SeedOptions {
  readonly servers: number;
  /** Whose they are, in equal parts. At least one. */
  readonly projectIds: readonly string[];
  readonly userId: string;
  /** After each set. */
  readonly onProgress?: (servers: number) => void;
}

export interface Seeded {
  /** Made now. */
  readonly servers: number;
  /** Seeded servers that there are. */
  readonly total: number;
}

/** What marks seeded rows: reservations of the control plane begin with `r-`. */
const MARK = 'seeded-';
const SERVERS_PER_HOST = 100;
const SERVERS_PER_SET = 5_000;

const flavors = [
  { flavorId: '1', name: 'm1.tiny', vcpus: 1, memoryMb: 512, rootGb: 1 },
  { flavorId: '2', name: 'm1.small', vcpus: 1, memoryMb: 2_048, rootGb: 20 },
  { flavorId: '3', name: 'm1.medium', vcpus: 2, memoryMb: 4_096, rootGb: 40 },
].map((given) => Object.assign(new Flavor(), given));

const images = Array.from({ length: 5 }, (_, index) =>
  Object.assign(new Image(), { id: `00000000-0000-4000-8000-00000000000${index}`, name: `seeded-${index}`, diskFormat: 'qcow2' }),
);

/**
 * Adds servers to those that were seeded before.
 *
 * @throws Error when the database is not migrated, or holds servers that were not seeded: it is then no empty test cloud
 */
export async function seedDatabase(config: DatabaseConfig, options: SeedOptions): Promise<Seeded> {
  return withDatabase(config, async (knex) => {
    await refuseForeignServers(knex);
    const first = await countSeeded(knex);
    const end = first + options.servers;
    for (let from = first; from < end; from += SERVERS_PER_SET) {
      const until = Math.min(end, from + SERVERS_PER_SET);
      await knex.transaction((trx) => seedSet(trx, from, until, options));
      options.onProgress?.(until - first);
    }
    // Else the planner knows nothing of them until the database's own housekeeping comes by.
    await knex.raw('analyze instances, instance_actions, allocations, hosts, services');
    return { servers: options.servers, total: end };
  });
}

/** Removes every seeded row; nothing else is touched. @returns how many servers there were */
export async function removeSeed(config: DatabaseConfig): Promise<number> {
  return withDatabase(config, (knex) =>
    knex.transaction(async (trx) => {
      const seeded = `select uuid from instances where reservation_id like '${MARK}%'`;
      await trx.raw(`delete from cleanups where instance_uuid in (${seeded})`);
      await trx.raw(`delete from allocations where instance_uuid in (${seeded})`);
      const gone = await rowsOf<{ project_id: string; user_id: string; live: boolean; vcpus: number; memory_mb: number }>(
        trx,
        `delete from instances where reservation_id like '${MARK}%'
         returning project_id, user_id, deleted_at is null as live, vcpus, memory_mb`,
      );
      await trx.raw(`delete from aggregate_hosts where host like '${MARK}%'`);
      await trx.raw(`delete from hosts where host like '${MARK}%'`);
      await trx.raw(`delete from services where host like '${MARK}%'`);
      await trx.raw(
        `update quota_usages q set instances = q.instances - g.instances, cores = q.cores - g.cores, ram = q.ram - g.ram
         from (select r.project_id, users.u as user_id, count(*) as instances, sum(r.vcpus) as cores, sum(r.memory_mb) as ram
               from jsonb_to_recordset(cast(:gone as jsonb)) as r (project_id text, user_id text, live boolean, vcpus bigint, memory_mb bigint)
               cross join lateral (values (''), (r.user_id)) as users (u) where r.live group by 1, 2) g
         where q.project_id = g.project_id and q.user_id = g.user_id`,
        { gone: JSON.stringify(gone) },
      );
      return gone.length;
    }),
  );
}

async function withDatabase<T>(config: DatabaseConfig, act: (knex: Knex) => Promise<T>): Promise<T> {
  const knex = openDatabase({ ...config, poolMax: 2, statementTimeoutMs: 0, idleTransactionTimeoutMs: 0, preparedStatements: 0 });
  try {
    const { pending } = await compareMigrations(knex);
    if (pending.length > 0) throw new Error(`the database lacks the migrations ${pending.join(', ')}: run "kilonova db migrate"`);
    return await act(knex);
  } finally {
    await knex.destroy();
  }
}

async function refuseForeignServers(knex: Knex): Promise<void> {
  const found = await rowsOf<{ uuid: string }>(
    knex,
    `select uuid from instances where deleted_at is null and reservation_id not like '${MARK}%' limit 1`,
  );
  if (found.length > 0)
    throw new Error(`the database holds servers that were not seeded (${found[0]!.uuid} is one): only an empty test cloud is seeded`);
}

/** Deleted ones too: their names and ids are taken. */
async function countSeeded(knex: Knex): Promise<number> {
  const rows = await rowsOf<{ count: number }>(knex, `select count(*) as count from instances where reservation_id like '${MARK}%'`);
  return rows[0]!.count;
}

/** The servers of the numbers from `from` up to `until`, with their hosts. Equal numbers give equal rows. */
async function seedSet(trx: Knex.Transaction, from: number, until: number, { projectIds, userId }: SeedOptions): Promise<void> {
  await seedHosts(trx, Math.floor(from / SERVERS_PER_HOST), Math.floor((until - 1) / SERVERS_PER_HOST));
  await trx.raw(
    `with n as (
       select n, ((cast(:projects as jsonb)) ->> (n % :projectCount)) as project, (cast(:flavors as jsonb)) -> (n % :flavorCount) as flavor,
         (cast(:images as jsonb)) -> (n / 13 % :imageCount) as image, '${MARK}' || n / ${SERVERS_PER_HOST} as host,
         cast(md5('${MARK}server-' || n) as uuid) as uuid,
         -- Numbers without a common divisor: each project gets some of all.
         case when n % 53 = 7 then 'error' when n % 19 = 3 then 'stopped' else 'active' end as vm_state,
         -- Over a month, in another order than the numbers.
         kilonova_now() - (1 + (cast(n as bigint) * 7919) % 2592000) * interval '1 second' as born
       from generate_series(cast(:from as integer), cast(:until as integer) - 1) as n
     ), made as (
       insert into instances (uuid, name, hostname, project_id, user_id, vm_state, power_state, host, node, generation, last_generation,
         flavor, flavor_id, vcpus, memory_mb, disk_gb, image, image_id, metadata, tags, reservation_id, launch_index,
         created_at, updated_at, launched_at)
       select uuid, '${MARK}' || n, '${MARK}' || n, project, :userId, vm_state, case vm_state when 'active' then 1 when 'stopped' then 4 else 0 end,
         host, host, 1, 1, flavor, flavor ->> 'flavorId', cast(flavor ->> 'vcpus' as bigint), cast(flavor ->> 'memoryMb' as bigint),
         cast(flavor ->> 'rootGb' as bigint), image, image ->> 'id',
         jsonb_build_object('role', (array['web', 'db', 'worker'])[1 + n / 3 % 3], 'tier', cast(n / 7 % 10 as text)), array['seeded', 'rack-' || n / 11 % 20],
         '${MARK}' || n / 10, n % 10, born, born + interval '2 seconds', born + interval '1 second'
       from n
     ), held as (
       insert into allocations (instance_uuid, host, generation, vcpus, memory_mb, disk_gb, created_at)
       select uuid, host, 1, cast(flavor ->> 'vcpus' as bigint), cast(flavor ->> 'memoryMb' as bigint), cast(flavor ->> 'rootGb' as bigint), born from n
     ), acted as (
       insert into instance_actions (instance_uuid, request_id, action, project_id, user_id, start_time, updated_at, finish_time)
       select uuid, 'req-' || uuid, 'create', project, :userId, born, born + interval '1 second', born + interval '1 second' from n
     ), failed as (
       insert into instance_faults (instance_uuid, code, message, created_at)
       select uuid, 500, 'Seeded in this state.', born + interval '1 second' from n where vm_state = 'error'
     ), used as (
       update hosts h set vcpus_used = h.vcpus_used + s.vcpus, memory_mb_used = h.memory_mb_used + s.memory_mb,
         disk_gb_used = h.disk_gb_used + s.disk_gb, instances = h.instances + s.servers, revision = h.revision + 1
       from (select host, sum(cast(flavor ->> 'vcpus' as bigint)) as vcpus, sum(cast(flavor ->> 'memoryMb' as bigint)) as memory_mb,
               sum(cast(flavor ->> 'rootGb' as bigint)) as disk_gb, count(*) as servers from n group by 1) s
       where h.host = s.host
     )
     insert into quota_usages (project_id, user_id, instances, cores, ram)
     select project, users.u, count(*), sum(cast(flavor ->> 'vcpus' as bigint)), sum(cast(flavor ->> 'memoryMb' as bigint))
     from n cross join lateral (values (''), (:userId)) as users (u) group by 1, 2 order by 1, 2
     on conflict (project_id, user_id) do update set instances = quota_usages.instances + excluded.instances,
       cores = quota_usages.cores + excluded.cores, ram = quota_usages.ram + excluded.ram`,
    {
      ...{ from, until, userId },
      ...{ projects: JSON.stringify(projectIds), projectCount: projectIds.length },
      ...{ flavors: JSON.stringify(flavors), flavorCount: flavors.length },
      ...{ images: JSON.stringify(images), imageCount: images.length },
    },
  );
}

/** Hosts of these numbers that are not there yet, roomy, down and disabled. */
async function seedHosts(trx: Knex.Transaction, first: number, last: number): Promise<void> {
  await trx.raw(
    `insert into services (uuid, "binary", host, version, disabled, disabled_reason)
     select cast(md5('${MARK}service-' || n) as uuid), 'nova-compute', '${MARK}' || n, :version, true, 'made by kilonova db seed'
     from generate_series(cast(:first as integer), cast(:last as integer)) as n on conflict (host, "binary") do nothing`,
    { first, last, version },
  );
  await trx.raw(
    `insert into hosts (host, uuid, node, cell, driver, version, vcpus, memory_mb, disk_gb, vcpus_limit, memory_mb_limit, disk_gb_limit,
       hypervisor_type, up)
     select '${MARK}' || n, cast(md5('${MARK}host-' || n) as uuid), '${MARK}' || n, 'cell1', 'seeded', :version,
       1024, 1048576, 16384, 1024, 1048576, 16384, 'seeded', false
     from generate_series(cast(:first as integer), cast(:last as integer)) as n on conflict (host) do nothing`,
    { first, last, version },
  );
}
