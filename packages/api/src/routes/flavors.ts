import { ChangeFlavorAccess, CreateFlavor, Flavor, FlavorRef, ListFlavors, UpdateFlavor } from '@kilonova/objects';
import type { Api } from '../api.ts';
import { badRequest, conflict, notFound } from '../http/api-error.ts';
import { lastOf } from '../http/query.ts';
import type { ApiRequest } from '../http/request.ts';
import { flavorFields, flavorNameFields } from '../views/flavor.ts';
import { render, viewOf, type Field } from '../views/view.ts';
import { collect, make, scopeFor } from './asking.ts';
import { nextLinks, pageOf } from './page.ts';
import type { Route } from './route.ts';
import { booleanOf, integerOf } from './values.ts';

interface NewFlavor {
  readonly name: string;
  readonly id?: string | number | null;
  readonly ram: number | string;
  readonly vcpus: number | string;
  readonly disk: number | string;
  readonly 'OS-FLV-EXT-DATA:ephemeral'?: number | string;
  readonly swap?: number | string;
  readonly rxtx_factor?: number | string;
  readonly 'os-flavor-access:is_public'?: boolean | string;
  readonly description?: string | null;
}

/** Administrators choose: true (default), false, none for both; others see the public ones and those shared with them. */
function visibility(api: Api, { caller, query }: ApiRequest): boolean | null {
  if (!api.policy.allows('context_is_admin', caller)) return true;
  const asked = lastOf(query, 'is_public');
  if (asked === undefined) return true;
  if (asked.trim().toLowerCase() === 'none') return null;
  const chosen = booleanOf(asked);
  if (chosen === undefined) throw badRequest(`Invalid is_public filter [${asked}]`);
  return chosen;
}

function least(query: ApiRequest['query'], key: string): number | null {
  const asked = lastOf(query, key);
  if (asked === undefined) return null;
  if (!/^[+-]?\d{1,15}$/.test(asked.trim())) throw badRequest(`Invalid ${key} filter [${asked}]`);
  return Number(asked);
}

const list = (fields: readonly Field<Flavor>[]) => async (api: Api, request: ApiRequest) => {
  const page = pageOf(request, api.config);
  const asked = make(ListFlavors, {
    scope: scopeFor(api, request),
    isPublic: visibility(api, request),
    minMemoryMb: least(request.query, 'minRam'),
    minDiskGb: least(request.query, 'minDisk'),
    sortKey: lastOf(request.query, 'sort_key') ?? 'flavorid',
    sortDirection: lastOf(request.query, 'sort_dir') ?? 'asc',
    ...page,
  });
  const flavors = page.limit === 0 ? [] : await collect(api, api.conductor.listFlavors(asked, request.rpc), page.limit);
  const next = nextLinks(
    request,
    page,
    flavors.map(({ flavorId }) => flavorId),
  );
  const view = viewOf(api, request);
  return { flavors: flavors.map((flavor) => render(fields, flavor, view)), ...(next === undefined ? {} : { flavors_links: next }) };
};

const shown = (api: Api, request: ApiRequest, flavor: Flavor) => ({ flavor: render(flavorFields, flavor, viewOf(api, request)) });

async function show(api: Api, request: ApiRequest) {
  return shown(api, request, await findFlavor(api, request, request.params['id']!));
}

export const findFlavor = (api: Api, request: ApiRequest, flavorId: string): Promise<Flavor> =>
  api.conductor.getFlavor(make(FlavorRef, { scope: scopeFor(api, request), flavorId }), request.rpc);

async function create(api: Api, request: ApiRequest) {
  const { flavor: given } = request.body as { flavor: NewFlavor };
  const id = given.id ?? '';
  const flavor = make(Flavor, {
    flavorId: id === '' || id === 'auto' ? api.random.uuid() : String(id),
    name: given.name,
    memoryMb: integerOf(given.ram),
    vcpus: integerOf(given.vcpus),
    rootGb: integerOf(given.disk),
    ephemeralGb: integerOf(given['OS-FLV-EXT-DATA:ephemeral'] ?? 0),
    swapMb: integerOf(given.swap ?? 0),
    rxtxFactor: Number(given.rxtx_factor ?? 1),
    isPublic: booleanOf(given['os-flavor-access:is_public'] ?? true) ?? true,
    description: given.description ?? null,
  });
  return shown(api, request, await api.conductor.createFlavor(make(CreateFlavor, { scope: scopeFor(api, request), flavor }), request.rpc));
}

async function update(api: Api, request: ApiRequest) {
  const { flavor } = request.body as { flavor: { description: string | null } };
  const changed = make(UpdateFlavor, { scope: scopeFor(api, request), flavorId: request.params['id']!, description: flavor.description });
  return shown(api, request, await api.conductor.updateFlavor(changed, request.rpc));
}

async function remove(api: Api, request: ApiRequest) {
  await api.conductor.deleteFlavor(make(FlavorRef, { scope: scopeFor(api, request), flavorId: request.params['id']! }), request.rpc);
  return undefined;
}

const accessList = (flavorId: string, projectIds: readonly string[]) => ({
  flavor_access: projectIds.map((project) => ({ flavor_id: flavorId, tenant_id: project })),
});

async function access(api: Api, request: ApiRequest) {
  const flavor = await findFlavor(api, request, request.params['flavor_id']!);
  if (flavor.isPublic) throw notFound('Access list not available for public flavors.');
  const { projectIds } = await api.conductor.getFlavorAccess(
    make(FlavorRef, { scope: scopeFor(api, request), flavorId: flavor.flavorId }),
    request.rpc,
  );
  return accessList(flavor.flavorId, projectIds);
}

const changeAccess = (action: string, allowed: boolean) => async (api: Api, request: ApiRequest) => {
  const { tenant } = (request.body as Record<string, { tenant: string }>)[action]!;
  const flavorId = request.params['id']!;
  if (!(await api.identity.projectExists(request.caller, tenant))) throw badRequest(`Project ID ${tenant} is not a valid project.`);
  if (allowed && request.version >= 7 && (await findFlavor(api, request, flavorId)).isPublic)
    throw conflict('Can not add access to a public flavor.');
  const asked = make(ChangeFlavorAccess, { scope: scopeFor(api, request), flavorId, projectId: tenant, allowed });
  const { projectIds } = await api.conductor.changeFlavorAccess(asked, request.rpc);
  return accessList(flavorId, projectIds);
};

const MANAGE = 'os_compute_api:os-flavor-manage';
const ACCESS = 'os_compute_api:os-flavor-access';

export const flavorRoutes: readonly Route[] = [
  { method: 'GET', path: '/flavors', success: 200, handle: list(flavorNameFields) },
  { method: 'GET', path: '/flavors/detail', success: 200, handle: list(flavorFields) },
  { method: 'GET', path: '/flavors/{id}', success: 200, handle: show },
  { method: 'POST', path: '/flavors', success: 200, policies: [`${MANAGE}:create`], handle: create },
  { method: 'PUT', path: '/flavors/{id}', from: 55, success: 200, policies: [`${MANAGE}:update`], handle: update },
  { method: 'DELETE', path: '/flavors/{id}', success: 202, policies: [`${MANAGE}:delete`], handle: remove },
  { method: 'GET', path: '/flavors/{flavor_id}/os-flavor-access', success: 200, policies: [ACCESS], handle: access },
  {
    method: 'POST',
    path: '/flavors/{id}/action',
    action: 'addTenantAccess',
    success: 200,
    policies: [`${ACCESS}:add_tenant_access`],
    handle: changeAccess('addTenantAccess', true),
  },
  {
    method: 'POST',
    path: '/flavors/{id}/action',
    action: 'removeTenantAccess',
    success: 200,
    policies: [`${ACCESS}:remove_tenant_access`],
    handle: changeAccess('removeTenantAccess', false),
  },
];
