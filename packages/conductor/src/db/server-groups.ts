import { failure, ServerGroup, type Scope } from '@kilonova/objects';
import type { Knex } from 'knex';
import { changedBy, isUuid, rowsOf } from './rows.ts';

const COLUMNS = `
  g.uuid, g.project_id as "projectId", g.user_id as "userId", g.name, g.policy, g.max_servers_per_host as "maxServersPerHost",
  g.created_at as "createdAt",
  coalesce((select jsonb_agg(i.uuid order by i.created_at, i.uuid) from instances i where i.server_group_uuid = g.uuid and i.deleted_at is null), '[]') as members`;
const SEEN = '(cast(:allProjects as boolean) or g.project_id = :projectId)';
const asGroup = (row: object): ServerGroup => Object.assign(new ServerGroup(), row);
const notFound = (uuid: string) => failure('ServerGroupNotFound', `Instance group ${uuid} could not be found.`);
const sightOf = ({ allProjects, projectId }: Scope) => ({ allProjects, projectId });

/** @throws ServerGroupNotFound */
export async function findServerGroup(knex: Knex, scope: Scope, uuid: string): Promise<ServerGroup> {
  if (!isUuid(uuid)) throw notFound(uuid);
  const rows = await rowsOf<object>(knex, `select ${COLUMNS} from server_groups g where g.uuid = :uuid and ${SEEN}`, {
    uuid,
    ...sightOf(scope),
  });
  if (rows[0] === undefined) throw notFound(uuid);
  return asGroup(rows[0]);
}

/** In the order in which they were made. */
export async function serverGroupPage(knex: Knex, scope: Scope, offset: number, limit: number): Promise<ServerGroup[]> {
  const rows = await rowsOf<object>(
    knex,
    `select ${COLUMNS} from server_groups g where ${SEEN} order by g.id offset :offset limit :limit`,
    { ...sightOf(scope), offset, limit },
  );
  return rows.map(asGroup);
}

/** How many a project has, or a user in it. */
export async function countServerGroups(knex: Knex, projectId: string, userId: string | null): Promise<number> {
  const rows = await rowsOf<{ count: number }>(
    knex,
    'select count(*) as count from server_groups where project_id = :projectId and (cast(:userId as text) is null or user_id = :userId)',
    { projectId, userId },
  );
  return rows[0]!.count;
}

/** Until the transaction ends, the project's groups are counted and added by nobody else. */
export const lockServerGroups = (trx: Knex.Transaction, projectId: string): Promise<unknown> =>
  trx.raw(`select pg_advisory_xact_lock(hashtext('server_groups'), hashtext(:projectId))`, { projectId });

export async function insertServerGroup(
  trx: Knex.Transaction,
  group: Pick<ServerGroup, 'uuid' | 'projectId' | 'userId' | 'name' | 'policy' | 'maxServersPerHost'>,
): Promise<ServerGroup> {
  const { uuid, projectId, userId, name, policy, maxServersPerHost } = group;
  const rows = await rowsOf<object>(
    trx,
    `with g as (
       insert into server_groups (uuid, project_id, user_id, name, policy, max_servers_per_host)
       values (:uuid, :projectId, :userId, :name, :policy, :maxServersPerHost) returning *
     ) select ${COLUMNS} from g`,
    { uuid, projectId, userId, name, policy, maxServersPerHost },
  );
  return asGroup(rows[0]!);
}

/** Its servers stay, without a group; they are locked first, as claims do. @throws ServerGroupNotFound */
export async function deleteServerGroup(trx: Knex.Transaction, uuid: string): Promise<void> {
  await trx.raw('select 1 from instances where server_group_uuid = :uuid order by uuid for no key update', { uuid });
  if ((await changedBy(trx, 'delete from server_groups where uuid = :uuid', { uuid })) === 0) throw notFound(uuid);
}
