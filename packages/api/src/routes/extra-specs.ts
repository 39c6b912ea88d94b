import { ChangeExtraSpecs } from '@kilonova/objects';
import type { Api } from '../api.ts';
import { badRequest, notFound } from '../http/api-error.ts';
import type { ApiRequest } from '../http/request.ts';
import { checkExtraSpecs } from '../schema/extra-specs.ts';
import { make, scopeFor } from './asking.ts';
import { findFlavor } from './flavors.ts';
import type { Route } from './route.ts';

type Specs = Readonly<Record<string, string>>;

/** Values may come as numbers; they are texts from here on. */
function textsOf(given: Readonly<Record<string, string | number>>, version: number): Specs {
  const specs = Object.fromEntries(Object.entries(given).map(([key, value]) => [key, String(value)]));
  if (version >= 86) checkExtraSpecs(specs);
  return specs;
}

async function list(api: Api, request: ApiRequest) {
  return { extra_specs: (await findFlavor(api, request, request.params['flavor_id']!)).extraSpecs };
}

async function show(api: Api, request: ApiRequest) {
  const { flavor_id: flavorId = '', id = '' } = request.params;
  const { extraSpecs } = await findFlavor(api, request, flavorId);
  const value = Object.hasOwn(extraSpecs, id) ? extraSpecs[id] : undefined;
  if (value === undefined) throw notFound(`Flavor ${flavorId} has no extra specs with key ${id}.`);
  return { [id]: value };
}

async function change(api: Api, request: ApiRequest, changes: Pick<Partial<ChangeExtraSpecs>, 'set' | 'remove'>): Promise<void> {
  const asked = make(ChangeExtraSpecs, { scope: scopeFor(api, request), flavorId: request.params['flavor_id']!, ...changes });
  await api.conductor.changeExtraSpecs(asked, request.rpc);
}

async function create(api: Api, request: ApiRequest) {
  const set = textsOf((request.body as { extra_specs: Record<string, string | number> }).extra_specs, request.version);
  await change(api, request, { set });
  return { extra_specs: set };
}

async function update(api: Api, request: ApiRequest) {
  const given = request.body as Record<string, string | number>;
  if (!Object.hasOwn(given, request.params['id']!)) throw badRequest('Request body and URI mismatch');
  const set = textsOf(given, request.version);
  await change(api, request, { set });
  return set;
}

async function remove(api: Api, request: ApiRequest) {
  await change(api, request, { remove: request.params['id']! });
  return undefined;
}

const POLICY = 'os_compute_api:os-flavor-extra-specs';
const ALL = '/flavors/{flavor_id}/os-extra_specs';
const ONE = '/flavors/{flavor_id}/os-extra_specs/{id}';

export const extraSpecRoutes: readonly Route[] = [
  { method: 'GET', path: ALL, success: 200, policies: [`${POLICY}:index`], handle: list },
  { method: 'POST', path: ALL, success: 200, policies: [`${POLICY}:create`], handle: create },
  { method: 'GET', path: ONE, success: 200, policies: [`${POLICY}:show`], handle: show },
  { method: 'PUT', path: ONE, success: 200, policies: [`${POLICY}:update`], handle: update },
  { method: 'DELETE', path: ONE, success: 200, policies: [`${POLICY}:delete`], handle: remove },
];
