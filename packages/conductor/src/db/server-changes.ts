import type { Scope, UpdateServer } from '@kilonova/objects';
import type { Knex } from 'knex';
import type { ServerCondition } from '../admission/action-rules.ts';
import { isUuid, rowsOf } from './rows.ts';
import { serverNotFound } from './server-rows.ts';

/** What is needed to decide about a change. */
export interface LockedServer extends ServerCondition {
  readonly metadata: Record<string, string>;
  readonly projectId: string;
  readonly userId: string;
}

/** A server within the scope that is not deleted, changed by nobody else until the transaction ends. @throws ServerNotFound */
export async function lockServer(trx: Knex.Transaction, { allProjects, projectId }: Scope, uuid: string): Promise<LockedServer> {
  if (!isUuid(uuid)) throw serverNotFound(uuid);
  const rows = await rowsOf<LockedServer>(
    trx,
    `select i.uuid, i.vm_state as "vmState", i.task_state as "taskState", i.locked, i.host, i.launched_at as "launchedAt", i.metadata,
       i.project_id as "projectId", i.user_id as "userId"
     from instances i
     where i.uuid = :uuid and i.deleted_at is null and (cast(:allProjects as boolean) or i.project_id = :projectId) for update`,
    { uuid, allProjects, projectId },
  );
  if (rows[0] === undefined) throw serverNotFound(uuid);
  return rows[0];
}

const COLUMNS = {
  name: 'name',
  description: 'description',
  hostname: 'hostname',
  accessIpV4: 'access_ip_v4',
  accessIpV6: 'access_ip_v6',
  diskConfig: 'disk_config',
} as const satisfies Record<keyof UpdateServer['changes'], string>;

/** What users may rewrite of a server; undefined stays. */
export async function writeServer(trx: Knex.Transaction, uuid: string, changes: UpdateServer['changes']): Promise<void> {
  const given = (Object.keys(COLUMNS) as (keyof typeof COLUMNS)[]).filter((field) => changes[field] !== undefined);
  const assignments = given.map((field) => `${COLUMNS[field]} = :${field}`);
  await trx.raw(
    `update instances set ${[...assignments, 'updated_at = kilonova_now()', 'revision = revision + 1'].join(', ')} where uuid = :uuid`,
    { uuid, ...Object.fromEntries(given.map((field) => [field, changes[field] ?? null])) },
  );
}

export const writeMetadata = (trx: Knex.Transaction, uuid: string, metadata: Readonly<Record<string, string>>): Promise<unknown> =>
  trx.raw(
    `update instances set metadata = cast(:metadata as jsonb), updated_at = kilonova_now(), revision = revision + 1 where uuid = :uuid`,
    { uuid, metadata: JSON.stringify(metadata) },
  );
