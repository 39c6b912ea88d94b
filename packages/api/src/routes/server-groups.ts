import { CreateServerGroup, ListServerGroups, ServerGroupRef } from '@kilonova/objects';
import type { Api } from '../api.ts';
import { badRequest } from '../http/api-error.ts';
import { lastOf } from '../http/query.ts';
import type { ApiRequest } from '../http/request.ts';
import { serverGroupFields } from '../views/server-group.ts';
import { render, viewOf } from '../views/view.ts';
import { collect, make, scopeFor } from './asking.ts';
import { pageOf } from './page.ts';
import type { Route } from './route.ts';
import { integerOf } from './values.ts';

const POLICY = 'os_compute_api:os-server-groups';

async function list(api: Api, request: ApiRequest) {
  const { query, caller } = request;
  const everyProject = query.has('all_projects') && api.policy.allows('context_is_admin', caller);
  if (everyProject) api.policy.demand(`${POLICY}:index:all_projects`, caller);
  const page = pageOf(request, api.config);
  const limit = page.limit === 0 ? api.config.maxLimit : page.limit;
  const scope = { ...scopeFor(api, request), allProjects: everyProject };
  const asked = make(ListServerGroups, { scope, offset: integerOf(lastOf(query, 'offset') || 0), limit });
  const groups = await collect(api, api.conductor.listServerGroups(asked, request.rpc), limit);
  const view = viewOf(api, request);
  return { server_groups: groups.map((group) => render(serverGroupFields, group, view)) };
}

interface NewGroup {
  readonly name: string;
  /** Up to 2.63, exactly one. */
  readonly policies?: readonly string[];
  /** From 2.64. */
  readonly policy?: string;
  readonly rules?: { readonly max_server_per_host?: number | string };
}

async function create(api: Api, request: ApiRequest) {
  const { server_group: given } = request.body as { server_group: NewGroup };
  const policy = given.policy ?? given.policies?.[0] ?? '';
  const most = given.rules?.max_server_per_host;
  if (given.rules !== undefined && Object.keys(given.rules).length > 0 && policy !== 'anti-affinity')
    throw badRequest('Only anti-affinity policy supports rules.');
  const group = await api.conductor.createServerGroup(
    make(CreateServerGroup, {
      scope: scopeFor(api, request),
      name: given.name,
      policy,
      maxServersPerHost: most === undefined ? null : integerOf(most),
    }),
    request.rpc,
  );
  return { server_group: render(serverGroupFields, group, viewOf(api, request)) };
}

const refOf = (api: Api, request: ApiRequest, route: Route) =>
  make(ServerGroupRef, { scope: scopeFor(api, request, route), uuid: request.params['id']! });

async function show(api: Api, request: ApiRequest, route: Route) {
  return {
    server_group: render(
      serverGroupFields,
      await api.conductor.getServerGroup(refOf(api, request, route), request.rpc),
      viewOf(api, request),
    ),
  };
}

async function remove(api: Api, request: ApiRequest, route: Route) {
  await api.conductor.deleteServerGroup(refOf(api, request, route), request.rpc);
  return undefined;
}

const PATH = '/os-server-groups';

export const serverGroupRoutes: readonly Route[] = [
  { method: 'GET', path: PATH, success: 200, policies: [`${POLICY}:index`], handle: list },
  { method: 'POST', path: PATH, success: 200, policies: [`${POLICY}:create`], handle: create },
  { method: 'GET', path: `${PATH}/{id}`, success: 200, rowPolicy: `${POLICY}:show`, handle: show },
  { method: 'DELETE', path: `${PATH}/{id}`, success: 204, rowPolicy: `${POLICY}:delete`, handle: remove },
];
