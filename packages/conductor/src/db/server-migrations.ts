import { failure, ServerMigration, type Flavor, type MigrationStatus, type MigrationType, type VmState } from '@kilonova/objects';
import type { Knex } from 'knex';
import { rowsOf } from './rows.ts';
import { bytesOf } from './transfer-progress.ts';

export interface NewMigration {
  readonly uuid: string;
  readonly instanceUuid: string;
  readonly projectId: string;
  readonly userId: string;
  readonly requestId: string;
  readonly type: MigrationType;
  readonly status: MigrationStatus;
  readonly sourceHost: string;
  readonly sourceNode: string | null;
  readonly sourceGeneration: number;
  readonly oldFlavor: Flavor;
  readonly newFlavor: Flavor;
  readonly oldVmState: VmState;
}

/** @throws the database's unique violation when the instance has an open one. */
export async function insertMigration(trx: Knex.Transaction, migration: NewMigration): Promise<void> {
  const { oldFlavor, newFlavor } = migration;
  await trx.raw(
    `insert into server_migrations (uuid, instance_uuid, project_id, user_id, request_id, type, status, source_host, source_node, source_generation,
       old_vm_state, old_flavor, new_flavor, old_flavor_number, new_flavor_number)
     values (:uuid, :instanceUuid, :projectId, :userId, :requestId, :type, :status, :sourceHost, :sourceNode, :sourceGeneration,
       :oldVmState, cast(:oldFlavor as jsonb), cast(:newFlavor as jsonb),
       (select id from flavors where flavor_id = :oldFlavorId), (select id from flavors where flavor_id = :newFlavorId))`,
    {
      ...(migration as object as Record<string, Knex.Value>),
      oldFlavor: JSON.stringify(oldFlavor),
      newFlavor: JSON.stringify(newFlavor),
      oldFlavorId: oldFlavor.flavorId,
      newFlavorId: newFlavor.flavorId,
    },
  );
}

/** SQL: columns of `m` from what a host said in `c.progress`, if it did. */
const PROGRESS_COLUMNS = (['Memory', 'Disk'] as const)
  .flatMap((what) => ['Total', 'Processed', 'Remaining'].map((part) => [what.toLowerCase(), part] as const))
  .map(([what, part]) => [`${what}_${part.toLowerCase()}_bytes`, `${what}${part}Bytes`])
  .map(([column, field]) => `${column} = coalesce(${bytesOf(`c.progress ->> '${field}'`)}, m.${column})`)
  .join(', ');

/** Only what is there changes. */
export interface MigrationChange {
  readonly uuid: string;
  readonly status?: MigrationStatus;
  readonly destHost?: string;
  readonly destNode?: string;
  readonly destGeneration?: number;
  /** The source holds it under another generation from now on. */
  readonly sourceGeneration?: number;
  readonly abortRequested?: boolean;
  readonly completionRequested?: boolean;
  /** How far its guest was when the host was done with it. */
  readonly progress?: object;
}

/** All in one statement. */
export async function changeMigrations(trx: Knex.Transaction, changes: readonly MigrationChange[]): Promise<void> {
  if (changes.length === 0) return;
  await trx.raw(
    `update server_migrations m set
       status = coalesce(c.status, m.status), dest_host = coalesce(c."destHost", m.dest_host), dest_node = coalesce(c."destNode", m.dest_node),
       dest_generation = coalesce(c."destGeneration", m.dest_generation), source_generation = coalesce(c."sourceGeneration", m.source_generation),
       abort_requested = coalesce(c."abortRequested", m.abort_requested),
       completion_requested = coalesce(c."completionRequested", m.completion_requested),
       ${PROGRESS_COLUMNS}, updated_at = kilonova_now()
     from jsonb_to_recordset(cast(? as jsonb)) as c (uuid uuid, status text, "destHost" text, "destNode" text, "destGeneration" integer,
       "sourceGeneration" integer, "abortRequested" boolean, "completionRequested" boolean, progress jsonb)
     where m.uuid = c.uuid`,
    [JSON.stringify(changes)],
  );
}

/** A migration as tasks and the acceptance of actions see it. */
export interface MigrationRow {
  readonly id: number;
  readonly uuid: string;
  readonly instanceUuid: string;
  readonly type: MigrationType;
  readonly status: MigrationStatus;
  readonly sourceHost: string;
  readonly sourceNode: string | null;
  readonly sourceGeneration: number;
  readonly oldFlavor: Flavor;
  readonly newFlavor: Flavor;
  readonly oldVmState: VmState;
  readonly abortRequested: boolean;
  readonly completionRequested: boolean;
}

const ROW = `m.id, m.uuid, m.instance_uuid as "instanceUuid", m.type, m.status, m.source_host as "sourceHost", m.source_node as "sourceNode",
  m.source_generation as "sourceGeneration", m.old_flavor as "oldFlavor", m.new_flavor as "newFlavor", m.old_vm_state as "oldVmState",
  m.abort_requested as "abortRequested", m.completion_requested as "completionRequested"`;

/** SQL: two such migrations never hold an instance at the same time. */
const OPEN = `(m.open or m.status = 'queued')`;

/** The open migration of an instance whose row the transaction has locked. */
export async function openMigration(trx: Knex, instanceUuid: string): Promise<MigrationRow | undefined> {
  const rows = await rowsOf<MigrationRow>(trx, `select ${ROW} from server_migrations m where m.instance_uuid = :instanceUuid and ${OPEN}`, {
    instanceUuid,
  });
  return rows[0];
}

/** By uuid. */
export async function readMigrations(knex: Knex, uuids: readonly string[]): Promise<ReadonlyMap<string, MigrationRow>> {
  const rows = await rowsOf<MigrationRow>(knex, `select ${ROW} from server_migrations m where m.uuid = any(cast(:uuids as uuid[]))`, {
    uuids: [...uuids],
  });
  return new Map(rows.map((row) => [row.uuid, row]));
}

/** Servers that wait for a confirmation for longer than this, and are in no task; the longest waiting first. */
export async function overdueConfirmations(
  knex: Knex,
  wanted: { readonly vmStates: readonly VmState[]; readonly windowS: number; readonly limit: number; readonly except: readonly string[] },
): Promise<readonly string[]> {
  const rows = await rowsOf<{ uuid: string }>(
    knex,
    `select m.instance_uuid as uuid from server_migrations m join instances i on i.uuid = m.instance_uuid
     where m.status = 'finished' and m.updated_at <= kilonova_now() - cast(:windowS as double precision) * interval '1 second'
       and i.vm_state = any(cast(:vmStates as text[])) and i.task_state is null and not m.instance_uuid = any(cast(:except as uuid[]))
     order by m.updated_at limit :limit`,
    { ...wanted, vmStates: [...wanted.vmStates], except: [...wanted.except] },
  );
  return rows.map(({ uuid }) => uuid);
}

/** These servers are gone: a move that waited for its confirmation counts as confirmed, any other as failed. */
export async function closeMigrations(trx: Knex.Transaction, instanceUuids: readonly string[]): Promise<void> {
  if (instanceUuids.length === 0) return;
  await trx.raw(
    `update server_migrations m set status = case status when 'finished' then 'confirmed' else 'error' end, updated_at = kilonova_now()
     where instance_uuid = any(cast(? as uuid[])) and ${OPEN}`,
    [[...instanceUuids]],
  );
}

/** An evacuated host confirmed that nothing is left of these. */
export async function completeEvacuations(
  trx: Knex.Transaction,
  owners: readonly { readonly instanceUuid: string; readonly host: string; readonly generation: number }[],
): Promise<void> {
  if (owners.length === 0) return;
  await trx.raw(
    `update server_migrations m set status = 'completed', updated_at = kilonova_now()
     from jsonb_to_recordset(cast(? as jsonb)) as o ("instanceUuid" uuid, host text, generation integer)
     where m.instance_uuid = o."instanceUuid" and m.source_host = o.host and m.source_generation = o.generation
       and m.type = 'evacuation' and m.status = 'done'`,
    [JSON.stringify(owners)],
  );
}

/**
 * A host that was given up came back, and a whole round of its domains showed nothing of these: what it showed was released and is its
 * cleanup by now.
 */
export async function completeUnseenEvacuations(trx: Knex.Transaction, host: string): Promise<void> {
  await trx.raw(
    `update server_migrations m set status = 'completed', updated_at = kilonova_now()
     where m.source_host = :host and m.type = 'evacuation' and m.status = 'done'
       and not exists (select from cleanups c
         where (c.host, c.instance_uuid, c.generation) = (m.source_host, m.instance_uuid, m.source_generation))`,
    { host },
  );
}

/** What the list may be restricted by; null does not restrict. */
export interface MigrationFilters {
  readonly serverUuid: string | null;
  readonly statuses: readonly string[] | null;
  readonly types: readonly string[] | null;
  readonly host: string | null;
  readonly sourceHost: string | null;
  readonly userId: string | null;
  readonly projectId: string | null;
  readonly changesSince: string | null;
  readonly changesBefore: string | null;
  readonly marker: string | null;
}

/** SQL: every field of a ServerMigration from the rows `m` and `d`, its destination. */
const FIELDS = `m.id, m.uuid, m.instance_uuid as "serverUuid", m.project_id as "projectId", m.user_id as "userId", m.type, m.status,
  m.source_host as "sourceHost", m.source_node as "sourceNode", m.dest_host as "destHost", m.dest_node as "destNode", d.host_ip as "destAddress",
  m.old_flavor_number as "oldFlavorNumber", m.new_flavor_number as "newFlavorNumber",
  m.memory_total_bytes as "memoryTotalBytes", m.memory_processed_bytes as "memoryProcessedBytes", m.memory_remaining_bytes as "memoryRemainingBytes",
  m.disk_total_bytes as "diskTotalBytes", m.disk_processed_bytes as "diskProcessedBytes", m.disk_remaining_bytes as "diskRemainingBytes",
  m.created_at as "createdAt", m.updated_at as "updatedAt"`;
const FROM = 'server_migrations m left join hosts d on d.host = m.dest_host';
/** The statuses of a live migration that is under way. */
export const UNDER_WAY: readonly MigrationStatus[] = ['queued', 'preparing', 'running', 'post-migrating'];

const asMigration = (row: object): ServerMigration => Object.assign(new ServerMigration(), row);

/** One page, newest first, behind the marker (a uuid). @throws MarkerNotFound */
export async function migrationPage(knex: Knex, filters: MigrationFilters, limit: number): Promise<ServerMigration[]> {
  const { serverUuid, statuses, types, host, sourceHost, userId, projectId, changesSince, changesBefore, marker } = filters;
  if (marker !== null) {
    const found = await rowsOf(knex, 'select 1 from server_migrations where uuid = cast(:marker as uuid)', { marker });
    if (found.length === 0) throw failure('MarkerNotFound', `Marker ${marker} could not be found.`);
  }
  const conditions = [
    ...(serverUuid === null ? [] : ['m.instance_uuid = cast(:serverUuid as uuid)']),
    ...(statuses === null ? [] : ['m.status = any(cast(:statuses as text[]))']),
    ...(types === null ? [] : ['m.type = any(cast(:types as text[]))']),
    ...(host === null ? [] : ['(m.source_host = :host or m.dest_host = :host)']),
    ...(sourceHost === null ? [] : ['m.source_host = :sourceHost']),
    ...(userId === null ? [] : ['m.user_id = :userId']),
    ...(projectId === null ? [] : ['m.project_id = :projectId']),
    ...(changesSince === null ? [] : ['coalesce(m.updated_at, m.created_at) >= cast(:changesSince as timestamptz)']),
    ...(changesBefore === null ? [] : ['coalesce(m.updated_at, m.created_at) <= cast(:changesBefore as timestamptz)']),
    ...(marker === null ? [] : ['m.id < (select id from server_migrations where uuid = cast(:marker as uuid))']),
  ];
  const rows = await rowsOf<object>(
    knex,
    `select ${FIELDS} from ${FROM} ${conditions.length > 0 ? `where ${conditions.join(' and ')}` : ''} order by m.id desc limit :limit`,
    {
      ...{ serverUuid, host, sourceHost, userId, projectId, changesSince, changesBefore, marker, limit },
      statuses: statuses === null ? null : [...statuses],
      types: types === null ? null : [...types],
    },
  );
  return rows.map(asMigration);
}

/** The live migrations of a server that are under way, at most one. */
export async function liveMigrations(knex: Knex, serverUuid: string): Promise<ServerMigration[]> {
  const rows = await rowsOf<object>(
    knex,
    `select ${FIELDS} from ${FROM} where m.instance_uuid = :serverUuid and m.type = 'live-migration'
       and m.status = any(cast(:statuses as text[])) order by m.id desc`,
    { serverUuid, statuses: [...UNDER_WAY] },
  );
  return rows.map(asMigration);
}

/** Of any type, over or not. */
export async function findMigration(knex: Knex, serverUuid: string, id: number): Promise<ServerMigration | undefined> {
  const rows = await rowsOf<object>(knex, `select ${FIELDS} from ${FROM} where m.instance_uuid = :serverUuid and m.id = :id`, {
    serverUuid,
    id,
  });
  return rows.map(asMigration)[0];
}
