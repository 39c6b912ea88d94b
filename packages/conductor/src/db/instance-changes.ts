import type { Flavor, PowerState, TaskState, VmState } from '@kilonova/objects';
import type { Knex } from 'knex';
import { LAST_GENERATION } from './strays.ts';

/** What tasks must know of an instance to decide about it. */
export interface InstanceRow {
  readonly uuid: string;
  readonly projectId: string;
  readonly userId: string;
  readonly vmState: VmState;
  readonly taskState: TaskState | null;
  readonly powerState: PowerState;
  readonly locked: boolean;
  readonly host: string | null;
  readonly node: string | null;
  readonly generation: number;
  /** The highest that any host is known to have been given. */
  readonly lastGeneration: number;
  readonly flavor: Flavor;
  readonly launchedAt: string | null;
  readonly deletedAt: string | null;
  /** What it counts as. While a resize is open that is the larger of both flavors. */
  readonly vcpus: number;
  readonly memoryMb: number;
  readonly diskGb: number;
  readonly availabilityZone: string | null;
  readonly serverGroupUuid: string | null;
  readonly forcedHost: string | null;
}

/** Locks instances in the order of their uuids; also deleted ones. */
export async function lockInstances(trx: Knex.Transaction, uuids: readonly string[]): Promise<ReadonlyMap<string, InstanceRow>> {
  const { rows } = await trx.raw(
    `select uuid, project_id as "projectId", user_id as "userId", vm_state as "vmState", task_state as "taskState", power_state as "powerState", locked,
       host, node, generation, ${LAST_GENERATION} as "lastGeneration", flavor, launched_at as "launchedAt", deleted_at as "deletedAt", vcpus, memory_mb as "memoryMb", disk_gb as "diskGb",
       availability_zone as "availabilityZone", server_group_uuid as "serverGroupUuid", request_spec ->> 'forcedHost' as "forcedHost"
     from instances i where uuid = any(cast(? as uuid[])) order by uuid for update of i`,
    [[...uuids]],
  );
  return new Map((rows as InstanceRow[]).map((row) => [row.uuid, row]));
}

/** Only what is there changes. */
export interface InstanceChange {
  readonly uuid: string;
  readonly vmState?: VmState;
  readonly taskState?: TaskState | null;
  readonly powerState?: PowerState;
  /** A new owner, or none: the generation goes up and the host's report numbers begin anew. */
  readonly host?: string | null;
  readonly node?: string | null;
  /** Of the new owner, when it was given before; else it is the next. */
  readonly generation?: number;
  /** A generation was given to a host that is not the owner (yet). */
  readonly lastGeneration?: number;
  readonly flavor?: Flavor;
  /** What it counts as from now on; comes with all three. */
  readonly vcpus?: number;
  readonly memoryMb?: number;
  readonly diskGb?: number;
  /** AUTO or MANUAL */
  readonly diskConfig?: string;
  /** It runs for the first time (here). */
  readonly launched?: true;
  /** It is gone: hidden from now on. */
  readonly deleted?: true;
  readonly locked?: boolean;
  readonly lockedReason?: string | null;
  /** Percent of what is under way. */
  readonly progress?: number;
}

const whenGiven = (field: string, value: string, otherwise: string) =>
  `case when jsonb_exists(c.e, '${field}') then ${value} else i.${otherwise} end`;

/** Changes instances that are not deleted, all in one statement, locked in the order of their uuids. @returns the uuids that it found */
export async function changeInstances(trx: Knex.Transaction, changes: readonly InstanceChange[]): Promise<readonly string[]> {
  if (changes.length === 0) return [];
  const { rows } = await trx.raw(
    `with c as materialized (select (e ->> 'uuid')::uuid as uuid, e from jsonb_array_elements(cast(? as jsonb)) e),
     locked as materialized (select i.uuid from instances i join c using (uuid) where i.deleted_at is null order by i.uuid for update of i)
     update instances i set
       vm_state = case when jsonb_exists(c.e, 'deleted') then 'deleted' else ${whenGiven('vmState', `c.e ->> 'vmState'`, 'vm_state')} end,
       task_state = ${whenGiven('taskState', `c.e ->> 'taskState'`, 'task_state')},
       power_state = ${whenGiven('powerState', `(c.e ->> 'powerState')::smallint`, 'power_state')},
       host = ${whenGiven('host', `c.e ->> 'host'`, 'host')},
       node = ${whenGiven('host', `c.e ->> 'node'`, 'node')},
       generation = case when jsonb_exists(c.e, 'generation') then (c.e ->> 'generation')::integer
         when jsonb_exists(c.e, 'host') then greatest(i.generation, i.last_generation) + 1 else i.generation end,
       last_generation = case when jsonb_exists(c.e, 'generation') then greatest(i.last_generation, (c.e ->> 'generation')::integer)
         when jsonb_exists(c.e, 'lastGeneration') then greatest(i.last_generation, (c.e ->> 'lastGeneration')::integer)
         when jsonb_exists(c.e, 'host') then greatest(i.generation, i.last_generation) + 1 else i.last_generation end,
       flavor = ${whenGiven('flavor', `c.e -> 'flavor'`, 'flavor')},
       flavor_id = ${whenGiven('flavor', `c.e -> 'flavor' ->> 'flavorId'`, 'flavor_id')},
       vcpus = ${whenGiven('vcpus', `(c.e ->> 'vcpus')::bigint`, 'vcpus')},
       memory_mb = ${whenGiven('memoryMb', `(c.e ->> 'memoryMb')::bigint`, 'memory_mb')},
       disk_gb = ${whenGiven('diskGb', `(c.e ->> 'diskGb')::bigint`, 'disk_gb')},
       disk_config = ${whenGiven('diskConfig', `c.e ->> 'diskConfig'`, 'disk_config')},
       report_number = ${whenGiven('host', '0', 'report_number')},
       missed_rounds = 0,
       launched_at = ${whenGiven('launched', 'kilonova_now()', 'launched_at')},
       terminated_at = ${whenGiven('deleted', 'kilonova_now()', 'terminated_at')},
       deleted_at = ${whenGiven('deleted', 'kilonova_now()', 'deleted_at')},
       locked = ${whenGiven('locked', `(c.e ->> 'locked')::boolean`, 'locked')},
       locked_reason = ${whenGiven('lockedReason', `c.e ->> 'lockedReason'`, 'locked_reason')},
       progress = ${whenGiven('progress', `(c.e ->> 'progress')::smallint`, 'progress')},
       revision = i.revision + 1, updated_at = kilonova_now()
     from c join locked using (uuid) where i.uuid = c.uuid
     returning i.uuid`,
    [JSON.stringify(changes)],
  );
  return (rows as { uuid: string }[]).map(({ uuid }) => uuid);
}

export interface NewFault {
  readonly instanceUuid: string;
  readonly code: number;
  readonly message: string;
  readonly details: string;
}

export async function addFaults(trx: Knex.Transaction, faults: readonly NewFault[]): Promise<void> {
  if (faults.length === 0) return;
  await trx.raw(
    `insert into instance_faults (instance_uuid, code, message, details)
     select f."instanceUuid", f.code, f.message, f.details
     from jsonb_to_recordset(cast(? as jsonb)) as f ("instanceUuid" uuid, code integer, message text, details text) order by f."instanceUuid"`,
    [JSON.stringify(faults)],
  );
}

/** A report of an operation, as far as its holder's row can judge it. */
export interface ReportStamp {
  readonly host: string;
  readonly instanceUuid: string;
  readonly generation: number;
  readonly number: number;
}

/** Names the owner that a report speaks for. */
export const stampKey = ({ host, instanceUuid, generation }: Omit<ReportStamp, 'number'>): string =>
  `${instanceUuid}/${generation}/${host}`;

/**
 * Keeps the highest report number of each host that holds an instance at that generation, as its owner or because of a move.
 *
 * @returns the keys (`stampKey`) of which a newer report was found among these: only those count.
 */
export async function admitReports(trx: Knex.Transaction, stamps: readonly ReportStamp[]): Promise<ReadonlySet<string>> {
  if (stamps.length === 0) return new Set();
  const { rows } = await trx.raw(
    `with c as materialized (
       select "instanceUuid" as uuid, host, generation, max(number) as number
       from jsonb_to_recordset(cast(? as jsonb)) as s ("instanceUuid" uuid, host text, generation integer, number bigint) group by 1, 2, 3),
     locked as materialized (
       select a.instance_uuid, a.host, a.generation, c.number from allocations a
       join c on c.uuid = a.instance_uuid and c.host = a.host and c.generation = a.generation
       where a.report_number < c.number
       order by a.instance_uuid, a.host, a.generation for update of a)
     update allocations a set report_number = l.number from locked l
     where a.instance_uuid = l.instance_uuid and a.host = l.host and a.generation = l.generation
     returning a.instance_uuid as "instanceUuid", a.host, a.generation`,
    [JSON.stringify(stamps)],
  );
  return new Set((rows as Omit<ReportStamp, 'number'>[]).map(stampKey));
}

/**
 * Which of these owners the database knows: the instance's, one that holds an allocation of it, or one that still has to
 * clean up. What is said of a deleted instance is old news, whoever had it.
 */
export async function findGiven(trx: Knex.Transaction, stamps: readonly ReportStamp[]): Promise<ReadonlySet<string>> {
  if (stamps.length === 0) return new Set();
  const { rows } = await trx.raw(
    `select s."instanceUuid", s.host, s.generation
     from jsonb_to_recordset(cast(? as jsonb)) as s ("instanceUuid" uuid, host text, generation integer)
     where exists (select from instances i where i.uuid = s."instanceUuid"
         and (i.deleted_at is not null or (i.host = s.host and i.generation = s.generation)))
       or exists (select from allocations a where a.instance_uuid = s."instanceUuid" and a.host = s.host and a.generation = s.generation)
       or exists (select from cleanups c where c.instance_uuid = s."instanceUuid" and c.host = s.host and c.generation = s.generation)`,
    [JSON.stringify(stamps)],
  );
  return new Set((rows as Omit<ReportStamp, 'number'>[]).map(stampKey));
}
