import type { Knex } from 'knex';
import type { CancelIntent, Failure } from '../tasks/engine/definition.ts';
import type { NewTask } from '../tasks/engine/new-task.ts';
import type { Ownership } from './conductors.ts';

export type TaskState = 'running' | 'parked' | 'unwinding' | 'done' | 'failed';
export const liveStates: readonly TaskState[] = ['running', 'parked', 'unwinding'];
const LIVE = `(${liveStates.map((state) => `'${state}'`).join(', ')})`;

/** A live task as read under its lock. */
export interface TaskRow {
  readonly id: string;
  readonly kind: string;
  readonly version: number;
  readonly instanceUuid: string | null;
  readonly requestId: string;
  readonly state: TaskState;
  readonly step: number;
  readonly params: object;
  readonly outputs: Readonly<Record<string, unknown>>;
  readonly awaits: string | null;
  readonly awaitsHost: string | null;
  /** Whether an operator forced that host down; false as long as its report is not overdue. */
  readonly hostForcedDown: boolean;
  /** Milliseconds until the awaited report is overdue; null when none is awaited. */
  readonly reportInMs: number | null;
  readonly inquired: boolean;
  readonly deadlineInMs: number;
  readonly cancel: CancelIntent | null;
  readonly attempts: number;
  readonly failure: Failure | null;
}

const COLUMNS = `t.id, t.kind, t.version, t.instance_uuid as "instanceUuid", t.request_id as "requestId", t.state, t.step, t.params, t.outputs,
  t.awaits, t.awaits_host as "awaitsHost", case when t.report_by > kilonova_now() then false else exists (select from services s
    where s.host = t.awaits_host and s."binary" = 'nova-compute' and s.forced_down) end as "hostForcedDown", (extract(epoch from t.report_by - kilonova_now()) * 1000)::float8 as "reportInMs",
  t.inquired_at is not null as inquired, (extract(epoch from t.deadline_at - kilonova_now()) * 1000)::float8 as "deadlineInMs",
  t.cancel, t.attempts, t.failure`;

/** Proves once per transaction that this process still is who it was: fencing waits for it, or leaves no row here. */
const OWN_EPOCH = `with me as materialized (select 1 from conductors where id = :owner and epoch = :epoch for key share)`;

/** Locks those of the tasks that are live and still ours, in the order of their ids. */
export async function lockOwn(trx: Knex.Transaction, owner: Ownership, ids: readonly string[]): Promise<readonly TaskRow[]> {
  const { rows } = await trx.raw(
    `${OWN_EPOCH} select ${COLUMNS} from tasks t
     where t.id = any(:ids) and t.state in ${LIVE} and t.owner = :owner and t.owner_epoch = :epoch and exists (select from me)
     order by t.id for update of t`,
    { owner: owner.id, epoch: owner.epoch, ids: [...ids] },
  );
  return rows as TaskRow[];
}

/** Locks the tasks that wait for one of these operations, whoever owns them: the next write makes them ours. */
export async function lockAwaiting(
  trx: Knex.Transaction,
  owner: Ownership,
  awaited: readonly { readonly taskId: string; readonly operationId: string }[],
): Promise<readonly TaskRow[]> {
  if (awaited.length === 0) return [];
  const { rows } = await trx.raw(
    `${OWN_EPOCH} select ${COLUMNS} from tasks t
     where t.id = any(:ids) and t.state = 'parked' and t.awaits = any(:operations) and exists (select from me)
     order by t.id for update of t`,
    {
      owner: owner.id,
      epoch: owner.epoch,
      ids: awaited.map(({ taskId }) => taskId),
      operations: awaited.map(({ operationId }) => operationId),
    },
  );
  return rows as TaskRow[];
}

/** A task's row as it shall be. Milliseconds count from now. */
export interface TaskChange {
  readonly id: string;
  readonly state: TaskState;
  readonly step: number;
  readonly outputs: Readonly<Record<string, unknown>>;
  readonly awaits: string | null;
  readonly awaitsHost: string | null;
  /** null leaves it, as long as something is awaited. */
  readonly reportInMs: number | null;
  readonly inquired: boolean;
  readonly wakeInMs: number;
  readonly attempts: number;
  readonly failure: Failure | null;
}

/** Writes progress and takes ownership, in one statement for all. */
export async function write(trx: Knex.Transaction, owner: Ownership, changes: readonly TaskChange[]): Promise<void> {
  if (changes.length === 0) return;
  await trx.raw(
    `update tasks t set state = c.state, step = c.step, outputs = c.outputs, awaits = c.awaits, awaits_host = c."awaitsHost",
       report_by = case when c.awaits is null then null when c."reportInMs" is null then t.report_by
                        else kilonova_now() + c."reportInMs" * interval '1 millisecond' end,
       inquired_at = case when c.inquired then coalesce(t.inquired_at, kilonova_now()) end,
       wake_at = kilonova_now() + c."wakeInMs" * interval '1 millisecond', attempts = c.attempts, failure = c.failure,
       owner = case when c.state in ${LIVE} then cast(:owner as text) end, owner_epoch = case when c.state in ${LIVE} then cast(:epoch as bigint) end,
       finished_at = case when c.state not in ${LIVE} then kilonova_now() end, updated_at = kilonova_now()
     from jsonb_to_recordset(cast(:changes as jsonb)) as c (id uuid, state text, step integer, outputs jsonb, awaits text, "awaitsHost" text,
       "reportInMs" float8, inquired boolean, "wakeInMs" float8, attempts integer, failure jsonb)
     where t.id = c.id`,
    { owner: owner.id, epoch: owner.epoch, changes: JSON.stringify(changes) },
  );
}

/** A new task and how far it already came in the transaction that writes it. */
export interface TaskInsert extends NewTask {
  readonly version: number;
  readonly progress: Omit<TaskChange, 'id'>;
}

/** @throws the database's unique violation when the instance already has a live task. */
export async function insert(trx: Knex.Transaction, owner: Ownership | null, tasks: readonly TaskInsert[]): Promise<void> {
  if (tasks.length === 0) return;
  const rows = tasks.map(({ progress, ...task }) => ({ ...progress, ...task }));
  await trx.raw(
    `insert into tasks (id, kind, version, instance_uuid, request_id, params, state, step, outputs, awaits, awaits_host, report_by, inquired_at,
       wake_at, deadline_at, attempts, failure, owner, owner_epoch, finished_at)
     select c.id, c.kind, c.version, c."instanceUuid", c."requestId", c.params, c.state, c.step, c.outputs, c.awaits, c."awaitsHost",
       kilonova_now() + c."reportInMs" * interval '1 millisecond', case when c.inquired then kilonova_now() end,
       kilonova_now() + c."wakeInMs" * interval '1 millisecond', kilonova_now() + c."deadlineMs" * interval '1 millisecond', c.attempts, c.failure,
       case when c.state in ${LIVE} then cast(:owner as text) end, case when c.state in ${LIVE} then cast(:epoch as bigint) end,
       case when c.state not in ${LIVE} then kilonova_now() end
     from jsonb_to_recordset(cast(:rows as jsonb)) as c (id uuid, kind text, version integer, "instanceUuid" uuid, "requestId" text, params jsonb,
       state text, step integer, outputs jsonb, awaits text, "awaitsHost" text, "reportInMs" float8, inquired boolean, "wakeInMs" float8,
       "deadlineMs" float8, attempts integer, failure jsonb)
     order by c.id`,
    { owner: owner?.id ?? null, epoch: owner?.epoch ?? null, rows: JSON.stringify(rows) },
  );
}

/** What the engine must know of a task to queue it. */
export interface TaskKey {
  readonly id: string;
  readonly kind: string;
  readonly step: number;
}

/** Own tasks whose time has come. */
export async function due(knex: Knex, owner: Ownership, limit: number): Promise<readonly TaskKey[]> {
  const { rows } = await knex.raw(
    `select id, kind, step from tasks
     where owner = ? and owner_epoch = ? and state in ${LIVE} and wake_at <= kilonova_now() order by wake_at, id limit ?`,
    [owner.id, owner.epoch, limit],
  );
  return rows as TaskKey[];
}

/** Takes over tasks without owner and tasks whose owner is no more, of the kinds we know. Call it until it brings none. */
export async function adopt(knex: Knex, owner: Ownership, known: readonly string[], limit: number): Promise<readonly TaskKey[]> {
  const { rows } = await knex.raw(
    `with me as materialized (select 1 from conductors where id = :owner and epoch = :epoch for key share), adopted as (
     update tasks set owner = :owner, owner_epoch = :epoch, wake_at = kilonova_now(), updated_at = kilonova_now()
     where exists (select from me) and id in (
       select t.id from tasks t
       where t.state in ${LIVE} and t.kind || '/' || t.version = any(:known)
         and (t.owner is null or not exists (select from conductors c where c.id = t.owner and c.epoch = t.owner_epoch))
       order by t.wake_at, t.id limit :limit for update of t skip locked)
     returning id, kind, step)
     select * from adopted order by id`,
    { owner: owner.id, epoch: owner.epoch, known: [...known], limit },
  );
  return rows as TaskKey[];
}

/** Gives back what is ours, for others to adopt at once. */
export async function handBack(knex: Knex, owner: Ownership): Promise<number> {
  const { rowCount } = await knex.raw(
    `update tasks set owner = null, owner_epoch = null, updated_at = kilonova_now() where owner = ? and owner_epoch = ? and state in ${LIVE}`,
    [owner.id, owner.epoch],
  );
  return rowCount as number;
}

/** How many are not over, of these kinds in these versions. */
export async function countLiveOf(knex: Knex, of: readonly { readonly kind: string; readonly version: number }[]): Promise<number> {
  const { rows } = await knex.raw(
    `select count(*)::integer as live from tasks join jsonb_to_recordset(cast(? as jsonb)) as o (kind text, version integer) using (kind, version)
     where state in ${LIVE}`,
    [JSON.stringify(of.map(({ kind, version }) => ({ kind, version })))],
  );
  return (rows as { live: number }[])[0]!.live;
}

/** The step went wrong: remembered for people, and looked at again after a while even if this process ends. */
export async function noteTrouble(knex: Knex, owner: Ownership, trouble: { id: string; message: string; wakeInMs: number }): Promise<void> {
  await knex.raw(
    `with moved as (
       update tasks set attempts = attempts + 1, wake_at = kilonova_now() + :wakeInMs * interval '1 millisecond'
       where id = :id and owner = :owner and owner_epoch = :epoch and state in ${LIVE} returning id, step, attempts)
     insert into task_log (task_id, step, event, message)
     select id, step::text, 'trouble', :message from moved where attempts <= 10 or attempts % 100 = 0`,
    { owner: owner.id, epoch: owner.epoch, ...trouble },
  );
}

/** Orders to this host that are not answered yet are due now. */
export async function wakeAwaitingHosts(knex: Knex, hosts: readonly string[]): Promise<void> {
  await knex.raw(
    `update tasks set wake_at = kilonova_now() where id in
       (select id from tasks where awaits_host = any (cast(? as text[])) and state = 'parked' and wake_at > kilonova_now() order by id for update skip locked)`,
    [[...hosts]],
  );
}

/** The live tasks of instances, by instance, locked in the order of their ids. */
export async function lockOfInstances(trx: Knex.Transaction, instanceUuids: readonly string[]): Promise<ReadonlyMap<string, TaskRow>> {
  const { rows } = await trx.raw(
    `select ${COLUMNS} from tasks t where t.instance_uuid = any(cast(? as uuid[])) and t.state in ${LIVE} order by t.id for update of t`,
    [[...instanceUuids]],
  );
  return new Map((rows as TaskRow[]).map((row) => [row.instanceUuid!, row]));
}

/** Those of the instances that have a live task. */
export async function liveOf(trx: Knex.Transaction, instanceUuids: readonly string[]): Promise<ReadonlySet<string>> {
  const { rows } = await trx.raw(
    `select instance_uuid as uuid from tasks where instance_uuid = any(cast(? as uuid[])) and state in ${LIVE}`,
    [[...instanceUuids]],
  );
  return new Set((rows as { uuid: string }[]).map(({ uuid }) => uuid));
}

/** Writes what shall happen instead and takes the task over: whoever had it finds it gone. The task must be locked. */
export async function cancel(trx: Knex.Transaction, owner: Ownership | null, id: string, intent: CancelIntent): Promise<void> {
  await trx.raw(
    `update tasks set cancel = ?, owner = ?::text, owner_epoch = ?::bigint, wake_at = kilonova_now(), updated_at = kilonova_now() where id = ?`,
    [JSON.stringify(intent), owner?.id ?? null, owner?.epoch ?? null, id],
  );
}

/**
 * For how long the task waits in vain that is due for longest; 0 when none is. Parked tasks are due when their report is
 * overdue.
 */
export async function longestDueSeconds(knex: Knex): Promise<number> {
  const { rows } = await knex.raw(
    `select coalesce(max(extract(epoch from kilonova_now() - wake_at)), 0)::float8 as seconds from tasks
     where state in ${LIVE} and wake_at < kilonova_now()`,
  );
  return (rows as { seconds: number }[])[0]!.seconds;
}

export async function countLive(knex: Knex): Promise<readonly { kind: string; state: string; count: number }[]> {
  const { rows } = await knex.raw(
    `select kind, state, count(*)::int as count from tasks where state in ${LIVE} group by kind, state order by kind, state`,
  );
  return rows as { kind: string; state: string; count: number }[];
}
