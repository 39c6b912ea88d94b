import { QuotaClassRef, QuotaRef, UpdateQuota, UpdateQuotaClass, type QuotaSet } from '@kilonova/objects';
import type { Api } from '../api.ts';
import { badRequest } from '../http/api-error.ts';
import { lastOf } from '../http/query.ts';
import type { ApiRequest } from '../http/request.ts';
import { limits, quotaClass, quotaDetail, quotaSet, settable } from '../views/quota.ts';
import { make, scopeFor } from './asking.ts';
import type { Route } from './route.ts';
import { booleanOf, integerOf } from './values.ts';

/** The project in the URL. @throws ApiError 403 by policy, 400 when the identity service knows no such project */
async function projectOf(api: Api, { params, caller }: ApiRequest, policy: string): Promise<string> {
  const id = params['id']!;
  api.policy.demand(`os_compute_api:os-quota-sets:${policy}`, caller, { project_id: id, user_id: caller.userId });
  if (id !== caller.projectId && !(await api.identity.projectExists(caller, id)))
    throw badRequest(`Project ID ${id} is not a valid project.`);
  return id;
}

const userOf = ({ query }: ApiRequest) => lastOf(query, 'user_id') || null;

async function read(
  api: Api,
  request: ApiRequest,
  policy: string,
  which: Pick<Partial<QuotaRef>, 'userId' | 'defaults'>,
): Promise<QuotaSet> {
  const projectId = await projectOf(api, request, policy);
  return api.conductor.getQuota(make(QuotaRef, { scope: scopeFor(api, request), projectId, ...which }), request.rpc);
}

async function show(api: Api, request: ApiRequest) {
  const quota = await read(api, request, 'show', { userId: userOf(request) });
  return { quota_set: { id: request.params['id'], ...quotaSet(quota, request.version) } };
}

async function detail(api: Api, request: ApiRequest) {
  const quota = await read(api, request, 'detail', { userId: userOf(request) });
  return { quota_set: { id: request.params['id'], ...quotaDetail(quota, request.version) } };
}

async function defaults(api: Api, request: ApiRequest) {
  const quota = await read(api, request, 'defaults', { defaults: true });
  return { quota_set: { id: request.params['id'], ...quotaSet(quota, request.version) } };
}

/** Resources that are settable and were given; limits of networks are taken and forgotten, as there are none. */
const limitsIn = (given: Readonly<Record<string, unknown>>): Record<string, number> =>
  Object.fromEntries(Object.entries(given).flatMap(([key, value]) => (settable.has(key) ? [[key, integerOf(value)]] : [])));

async function update(api: Api, request: ApiRequest) {
  const projectId = await projectOf(api, request, 'update');
  const { quota_set: given } = request.body as { quota_set: Record<string, unknown> };
  const quota = await api.conductor.updateQuota(
    make(UpdateQuota, {
      scope: scopeFor(api, request),
      projectId,
      userId: userOf(request),
      limits: limitsIn(given),
      force: booleanOf(given['force'] ?? false) === true,
    }),
    request.rpc,
  );
  return { quota_set: quotaSet(quota, request.version) };
}

async function remove(api: Api, request: ApiRequest) {
  const ref = make(QuotaRef, { scope: scopeFor(api, request), projectId: request.params['id']!, userId: userOf(request) });
  await api.conductor.deleteQuota(ref, request.rpc);
  return undefined;
}

async function showClass(api: Api, request: ApiRequest) {
  const className = request.params['id']!;
  const quota = await api.conductor.getQuotaClass(make(QuotaClassRef, { scope: scopeFor(api, request), className }), request.rpc);
  return { quota_class_set: { id: className, ...quotaClass(quota, request.version) } };
}

async function updateClass(api: Api, request: ApiRequest) {
  const { quota_class_set: given } = request.body as { quota_class_set: Record<string, unknown> };
  const asked = make(UpdateQuotaClass, { scope: scopeFor(api, request), className: request.params['id']!, limits: limitsIn(given) });
  return { quota_class_set: quotaClass(await api.conductor.updateQuotaClass(asked, request.rpc), request.version) };
}

async function showLimits(api: Api, request: ApiRequest) {
  const { caller, query } = request;
  const projectId = lastOf(query, 'tenant_id') || caller.projectId;
  if (projectId !== caller.projectId)
    api.policy.demand('os_compute_api:limits:other_project', caller, { project_id: projectId, user_id: caller.userId });
  const quota = await api.conductor.getQuota(make(QuotaRef, { scope: scopeFor(api, request), projectId }), request.rpc);
  return { limits: { rate: [], absolute: limits(quota, request.version) } };
}

const SETS = '/os-quota-sets/{id}';
const CLASSES = '/os-quota-class-sets/{id}';

/** Policies of quota sets depend on the project in the URL: the handlers demand them. */
export const quotaRoutes: readonly Route[] = [
  { method: 'GET', path: '/limits', success: 200, policies: ['os_compute_api:limits'], handle: showLimits },
  { method: 'GET', path: SETS, success: 200, handle: show },
  { method: 'GET', path: `${SETS}/detail`, success: 200, handle: detail },
  { method: 'GET', path: `${SETS}/defaults`, success: 200, handle: defaults },
  { method: 'PUT', path: SETS, success: 200, handle: update },
  { method: 'DELETE', path: SETS, success: 202, policies: ['os_compute_api:os-quota-sets:delete'], handle: remove },
  { method: 'GET', path: CLASSES, success: 200, policies: ['os_compute_api:os-quota-class-sets:show'], handle: showClass },
  { method: 'PUT', path: CLASSES, success: 200, policies: ['os_compute_api:os-quota-class-sets:update'], handle: updateClass },
];
