import { failure, type CreateServerGroup, type ListServerGroups, type ServerGroup, type ServerGroupRef } from '@kilonova/objects';
import { Empty } from '@kilonova/rpc';
import { limitsOf } from '../db/quotas.ts';
import * as groups from '../db/server-groups.ts';
import type { Services } from '../services.ts';
import { pageLimit, pieces } from './pages.ts';
import { refuseIfDenied } from './scopes.ts';

export async function* listServerGroups({ knex, config }: Services, request: ListServerGroups): AsyncGenerator<readonly ServerGroup[]> {
  refuseIfDenied(request.scope);
  const limit = pageLimit(request.limit, config.conductor.pageMax);
  yield* pieces(await groups.serverGroupPage(knex, request.scope, request.offset, limit), config.conductor.pieceRows);
}

export async function getServerGroup({ knex }: Services, { scope, uuid }: ServerGroupRef): Promise<ServerGroup> {
  const group = await groups.findServerGroup(knex, scope, uuid);
  refuseIfDenied(scope);
  return group;
}

/** @throws QuotaExceeded when the project, or the user in it, has as many groups as it may */
export async function createServerGroup({ knex, config, random }: Services, request: CreateServerGroup): Promise<ServerGroup> {
  const { scope, name, policy, maxServersPerHost } = request;
  const { projectId, userId } = scope;
  refuseIfDenied(scope);
  if (maxServersPerHost !== null && policy !== 'anti-affinity') throw failure('GroupInvalid', 'Only anti-affinity policy supports rules.');
  return knex.transaction(async (trx) => {
    await groups.lockServerGroups(trx, projectId);
    const { project, user } = await limitsOf(trx, config.quota, projectId, userId);
    const full = async (limit: number, of: string | null) => limit >= 0 && (await groups.countServerGroups(trx, projectId, of)) >= limit;
    if ((await full(project.server_groups, null)) || (await full(user.server_groups, userId)))
      throw failure('QuotaExceeded', 'Quota exceeded, too many server groups.');
    return groups.insertServerGroup(trx, { uuid: random.uuid(), projectId, userId, name, policy, maxServersPerHost });
  });
}

export async function deleteServerGroup({ knex }: Services, { scope, uuid }: ServerGroupRef): Promise<Empty> {
  await groups.findServerGroup(knex, scope, uuid);
  refuseIfDenied(scope);
  await knex.transaction((trx) => groups.deleteServerGroup(trx, uuid));
  return new Empty();
}
