/**
 * What instances hold of hosts. Every change locks the hosts in the order of their names and moves their sums in the
 * transaction of the allocations; the checks on the hosts' rows refuse whatever would be too much.
 */
import type { Knex } from 'knex';
import { zoneOf } from './zones.ts';

/** A host as a claim sees it, locked. */
export interface ClaimHost {
  readonly host: string;
  readonly node: string;
  readonly up: boolean;
  readonly zone: string;
  readonly freeVcpus: number;
  readonly freeMemoryMb: number;
  readonly freeDiskGb: number;
}

export async function lockHosts(
  trx: Knex.Transaction,
  hosts: readonly string[],
  defaultZone: string,
): Promise<ReadonlyMap<string, ClaimHost>> {
  const { rows } = await trx.raw(
    `select h.host, h.node, h.up, ${zoneOf('h.host')} as zone, h.vcpus_limit - h.vcpus_used as "freeVcpus",
       h.memory_mb_limit - h.memory_mb_used as "freeMemoryMb", h.disk_gb_limit - h.disk_gb_used as "freeDiskGb"
     from hosts h where h.host = any(cast(:hosts as text[])) order by h.host for no key update of h`,
    { hosts: [...hosts], defaultZone },
  );
  return new Map((rows as ClaimHost[]).map((row) => [row.host, row]));
}

export interface GroupMembers {
  readonly uuid: string;
  readonly policy: string;
  readonly maxServersPerHost: number;
  readonly membersByHost: Readonly<Record<string, number>>;
}

/**
 * Groups with where their living members are; with a lock, so that two claims for a group come one after the other.
 * Instances that move do not count: where they are is what changes.
 */
export async function readGroups(
  knex: Knex,
  uuids: readonly string[],
  lock: boolean,
  moving: readonly string[] = [],
): Promise<ReadonlyMap<string, GroupMembers>> {
  if (uuids.length === 0) return new Map();
  if (lock)
    await knex.raw(`select uuid from server_groups where uuid = any(cast(? as uuid[])) order by uuid for no key update`, [[...uuids]]);
  const { rows } = await knex.raw(
    `select g.uuid, g.policy, coalesce(g.max_servers_per_host, 1) as "maxServersPerHost",
       coalesce((select jsonb_object_agg(m.host, m.members) from
         (select i.host, count(*) as members from instances i
          where i.server_group_uuid = g.uuid and i.deleted_at is null and i.host is not null and i.uuid <> all(cast(? as uuid[]))
          group by i.host) m), '{}') as "membersByHost"
     from server_groups g where g.uuid = any(cast(? as uuid[]))`,
    [[...moving], [...uuids]],
  );
  return new Map((rows as GroupMembers[]).map((row) => [row.uuid, row]));
}

/** Amounts may be negative; what is not given stays. */
export interface HostMove {
  readonly host: string;
  readonly vcpus?: number;
  readonly memoryMb?: number;
  readonly diskGb?: number;
  readonly instances?: number;
  /** Instances in a task that is heavy on disk. */
  readonly ioOps?: number;
  /** A build that failed (1), or one that went well and clears the count (0). */
  readonly failedBuild?: 0 | 1;
}

// A limit that an inventory below its use had raised follows the use down.
const limit = (resource: string, ratio: string) => `case when m.${resource} < 0
  then greatest(floor(greatest(h.${resource} - h.reserved_${resource}, 0) * h.${ratio})::bigint, h.${resource}_used + m.${resource})
  else h.${resource}_limit end`;

/**
 * Moves the sums of hosts, any number of moves in one statement.
 *
 * @returns the hosts that changed. @throws the database's check violation for an overcommit
 */
export async function moveHosts(trx: Knex.Transaction, moves: readonly HostMove[]): Promise<readonly string[]> {
  if (moves.length === 0) return [];
  const { rows } = await trx.raw(
    `with m as materialized (
       select c.host, coalesce(sum(c.vcpus), 0)::bigint as vcpus, coalesce(sum(c."memoryMb"), 0)::bigint as memory_mb,
         coalesce(sum(c."diskGb"), 0)::bigint as disk_gb, coalesce(sum(c.instances), 0)::integer as instances,
         coalesce(sum(c."ioOps"), 0)::integer as io_ops, sum(c."failedBuild")::integer as failed, bool_or(c."failedBuild" = 0) as cleared
       from jsonb_to_recordset(cast(? as jsonb)) as c (host text, vcpus bigint, "memoryMb" bigint, "diskGb" bigint, instances integer,
         "ioOps" integer, "failedBuild" integer) group by c.host),
     locked as materialized (select h.host from hosts h join m using (host) order by h.host for no key update of h)
     update hosts h set
       vcpus_limit = ${limit('vcpus', 'cpu_ratio')}, memory_mb_limit = ${limit('memory_mb', 'memory_ratio')}, disk_gb_limit = ${limit('disk_gb', 'disk_ratio')},
       vcpus_used = h.vcpus_used + m.vcpus, memory_mb_used = h.memory_mb_used + m.memory_mb, disk_gb_used = h.disk_gb_used + m.disk_gb,
       instances = h.instances + m.instances, io_ops = greatest(0, h.io_ops + m.io_ops),
       failed_builds = case when m.cleared then 0 else h.failed_builds end + coalesce(m.failed, 0),
       revision = h.revision + 1, updated_at = kilonova_now()
     from m join locked using (host) where h.host = m.host
     returning h.host`,
    [JSON.stringify(moves)],
  );
  return (rows as { host: string }[]).map(({ host }) => host);
}

/** One owner of an instance. */
export interface OwnerKey {
  readonly instanceUuid: string;
  readonly host: string;
  readonly generation: number;
}

export interface Allocation extends OwnerKey {
  readonly vcpus: number;
  readonly memoryMb: number;
  readonly diskGb: number;
}

/** Writes allocations and moves the hosts' sums by them. @throws the database's check violation for an overcommit */
export async function allocate(trx: Knex.Transaction, allocations: readonly Allocation[]): Promise<readonly string[]> {
  if (allocations.length === 0) return [];
  const touched = await moveHosts(
    trx,
    allocations.map((allocation) => ({ ...amounts(allocation, 1), ioOps: 1 })),
  );
  await trx.raw(
    `insert into allocations (instance_uuid, host, generation, vcpus, memory_mb, disk_gb)
     select a."instanceUuid", a.host, a.generation, a.vcpus, a."memoryMb", a."diskGb"
     from jsonb_to_recordset(cast(? as jsonb)) as a ("instanceUuid" uuid, host text, generation integer, vcpus bigint, "memoryMb" bigint, "diskGb" bigint)
     order by a."instanceUuid"`,
    [JSON.stringify(allocations)],
  );
  return touched;
}

/** Gives back what these owners held; those that hold nothing are no complaint. @returns the hosts that changed */
export async function release(trx: Knex.Transaction, owners: readonly OwnerKey[]): Promise<readonly string[]> {
  if (owners.length === 0) return [];
  const { rows } = await trx.raw(
    `delete from allocations where (instance_uuid, host, generation) in
       (select o."instanceUuid", o.host, o.generation from jsonb_to_recordset(cast(? as jsonb)) as o ("instanceUuid" uuid, host text, generation integer))
     returning instance_uuid as "instanceUuid", host, generation, vcpus, memory_mb as "memoryMb", disk_gb as "diskGb"`,
    [JSON.stringify(owners)],
  );
  return moveHosts(
    trx,
    (rows as Allocation[]).map((allocation) => amounts(allocation, -1)),
  );
}

const amounts = ({ host, vcpus, memoryMb, diskGb }: Allocation, sign: 1 | -1): HostMove => ({
  ...{ host, vcpus: sign * vcpus, memoryMb: sign * memoryMb, diskGb: sign * diskGb, instances: sign },
});

/** A holder that is not the owner is given the instance under another generation. Its report numbers begin anew. */
export async function regenerate(trx: Knex.Transaction, moves: readonly (OwnerKey & { readonly newGeneration: number })[]): Promise<void> {
  if (moves.length === 0) return;
  await trx.raw(
    `update allocations a set generation = m."newGeneration", report_number = 0
     from jsonb_to_recordset(cast(? as jsonb)) as m ("instanceUuid" uuid, host text, generation integer, "newGeneration" integer)
     where a.instance_uuid = m."instanceUuid" and a.host = m.host and a.generation = m.generation`,
    [JSON.stringify(moves)],
  );
}
