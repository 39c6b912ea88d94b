import type { ListServerActions, ServerAction, ServerActionRef, ServerRef } from '@kilonova/objects';
import { actionPage, findAction, serverWasSeen } from '../db/instance-actions.ts';
import { serverNotFound } from '../db/server-rows.ts';
import type { Services } from '../services.ts';
import { pageLimit, pieces } from './pages.ts';
import { refuseIfDenied } from './scopes.ts';

export async function* listServerActions(services: Services, request: ListServerActions): AsyncGenerator<readonly ServerAction[]> {
  await seen(services, request);
  const { knex, config } = services;
  const limit = pageLimit(request.limit, config.conductor.pageMax);
  yield* pieces(await actionPage(knex, request, limit), config.conductor.pieceRows);
}

export async function getServerAction(services: Services, request: ServerActionRef): Promise<ServerAction> {
  await seen(services, request);
  return findAction(services.knex, request.uuid, request.actionRequestId);
}

async function seen({ knex }: Services, { scope, uuid }: ServerRef): Promise<void> {
  if (!(await serverWasSeen(knex, scope, uuid))) throw serverNotFound(uuid);
  refuseIfDenied(scope);
}
