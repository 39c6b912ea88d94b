import { failure, FlavorAccess, type Flavor, type FlavorRef, type ListFlavors, type Scope } from '@kilonova/objects';
import type { ChangeExtraSpecs, ChangeFlavorAccess, CreateFlavor, UpdateFlavor } from '@kilonova/objects';
import { Empty } from '@kilonova/rpc';
import * as flavors from '../db/flavors.ts';
import type { Services } from '../services.ts';
import { pageLimit, pieces } from './pages.ts';
import { refuseIfDenied } from './scopes.ts';

const sightOf = (scope: Scope): flavors.FlavorSight => ({ admin: scope.admin, projectId: scope.projectId });

export async function* listFlavors({ knex, config }: Services, request: ListFlavors): AsyncGenerator<readonly Flavor[]> {
  refuseIfDenied(request.scope);
  const limit = pageLimit(request.limit, config.conductor.pageMax);
  yield* pieces(await flavors.flavorPage(knex, request, sightOf(request.scope), limit), config.conductor.pieceRows);
}

/** Found first, refused second: a flavor that the caller cannot see is not there. */
async function seen({ knex }: Services, { scope, flavorId }: FlavorRef): Promise<Flavor> {
  const flavor = await flavors.findFlavor(knex, sightOf(scope), flavorId);
  refuseIfDenied(scope);
  return flavor;
}

export const getFlavor = seen;

export async function createFlavor({ knex }: Services, { scope, flavor }: CreateFlavor): Promise<Flavor> {
  refuseIfDenied(scope);
  await flavors.insertFlavor(knex, flavor);
  return flavor;
}

export async function updateFlavor(services: Services, request: UpdateFlavor): Promise<Flavor> {
  await seen(services, request);
  await flavors.describeFlavor(services.knex, request.flavorId, request.description);
  return seen(services, request);
}

export async function deleteFlavor(services: Services, request: FlavorRef): Promise<Empty> {
  await seen(services, request);
  await flavors.deleteFlavor(services.knex, request.flavorId);
  return new Empty();
}

export async function changeExtraSpecs(services: Services, request: ChangeExtraSpecs): Promise<Flavor> {
  await seen(services, request);
  await services.knex.transaction(async (trx) => {
    if (Object.keys(request.set).length > 0) await flavors.setExtraSpecs(trx, request.flavorId, request.set);
    if (request.remove !== null) await flavors.removeExtraSpec(trx, request.flavorId, request.remove);
  });
  return seen(services, request);
}

export async function getFlavorAccess(services: Services, request: FlavorRef): Promise<FlavorAccess> {
  const flavor = await seen(services, request);
  if (flavor.isPublic) throw failure('FlavorAccessNotFound', 'Access list not available for public flavors.');
  return accessOf(services, request.flavorId);
}

export async function changeFlavorAccess(services: Services, request: ChangeFlavorAccess): Promise<FlavorAccess> {
  const { flavorId, projectId, allowed } = request;
  const flavor = await seen(services, request);
  if (allowed) {
    if (flavor.isPublic) throw failure('FlavorAccessExists', 'Can not add access to a public flavor.');
    if (!(await flavors.addFlavorAccess(services.knex, flavorId, projectId)))
      throw failure('FlavorAccessExists', `Flavor access already exists for flavor ${flavorId} and project ${projectId} combination.`);
  } else if (!(await flavors.removeFlavorAccess(services.knex, flavorId, projectId)))
    throw failure('FlavorAccessNotFound', `Flavor access not found for ${flavorId} / ${projectId} combination.`);
  return accessOf(services, flavorId);
}

const accessOf = async ({ knex }: Services, flavorId: string): Promise<FlavorAccess> =>
  Object.assign(new FlavorAccess(), { projectIds: await flavors.flavorAccess(knex, flavorId) });
