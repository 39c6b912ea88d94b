import type { Api } from '../../api.ts';
import { notFound } from '../../http/api-error.ts';
import { Reply, type ApiRequest } from '../../http/request.ts';
import type { Route } from '../route.ts';
import { createServers } from './creating.ts';
import { instanceActionRoutes } from './instance-actions.ts';
import { listDetails, listNames } from './listing.ts';
import { metadataRoutes } from './metadata.ts';
import { serverMigrationRoutes } from './migrations.ts';
import { moveRoutes } from './moves.ts';
import { act, findServer, showServer, updateServer } from './single.ts';

const SERVERS = 'os_compute_api:servers';

const action = (name: string, rowPolicy: string, handle: Route['handle']): Route => ({
  method: 'POST',
  path: '/servers/{id}/action',
  action: name,
  success: 202,
  rowPolicy,
  handle,
});

const field = (given: unknown, key: string): string | null => {
  const value = (given as Readonly<Record<string, unknown>> | null | undefined)?.[key];
  return typeof value === 'string' ? value : null;
};

const actionRoutes: readonly Route[] = [
  action('os-start', `${SERVERS}:start`, act('start')),
  action('os-stop', `${SERVERS}:stop`, act('stop')),
  action(
    'reboot',
    `${SERVERS}:reboot`,
    act('reboot', (given) => ({ type: (field(given, 'type') ?? 'SOFT').toUpperCase() })),
  ),
  action(
    'lock',
    'os_compute_api:os-lock-server:lock',
    act('lock', (given) => ({ reason: field(given, 'locked_reason') })),
  ),
  action('unlock', 'os_compute_api:os-lock-server:unlock', act('unlock')),
  action(
    'os-resetState',
    'os_compute_api:os-admin-actions:reset_state',
    act('resetState', (given) => ({ state: field(given, 'state') })),
  ),
  action('forceDelete', 'os_compute_api:os-deferred-delete:force', act('forceDelete')),
];

/** Servers have no addresses as long as there is no network service. */
async function listAddresses(api: Api, request: ApiRequest, route: Route) {
  await findServer(api, request, route);
  return { addresses: {} };
}

async function showAddresses(api: Api, request: ApiRequest, route: Route): Promise<never> {
  await findServer(api, request, route);
  throw notFound('Instance is not a member of specified network');
}

async function listTags(api: Api, request: ApiRequest, route: Route) {
  return { tags: (await findServer(api, request, route)).tags };
}

async function showTag(api: Api, request: ApiRequest, route: Route) {
  const { uuid, tags } = await findServer(api, request, route);
  const tag = request.params['id']!;
  if (!tags.includes(tag)) throw notFound(`Instance ${uuid} has no tag '${tag}'`);
  return new Reply(undefined);
}

export const serverRoutes: readonly Route[] = [
  { method: 'GET', path: '/servers', success: 200, policies: [`${SERVERS}:index`], handle: listNames },
  { method: 'GET', path: '/servers/detail', success: 200, policies: [`${SERVERS}:detail`], handle: listDetails },
  { method: 'POST', path: '/servers', success: 202, policies: [`${SERVERS}:create`], handle: createServers },
  { method: 'GET', path: '/servers/{id}', success: 200, rowPolicy: `${SERVERS}:show`, handle: showServer },
  { method: 'PUT', path: '/servers/{id}', success: 200, rowPolicy: `${SERVERS}:update`, handle: updateServer },
  { method: 'DELETE', path: '/servers/{id}', success: 204, rowPolicy: `${SERVERS}:delete`, handle: act('delete') },
  ...actionRoutes,
  ...moveRoutes,
  ...serverMigrationRoutes,
  ...metadataRoutes,
  ...instanceActionRoutes,
  { method: 'GET', path: '/servers/{server_id}/ips', success: 200, rowPolicy: 'os_compute_api:ips:index', handle: listAddresses },
  { method: 'GET', path: '/servers/{server_id}/ips/{id}', success: 200, rowPolicy: 'os_compute_api:ips:show', handle: showAddresses },
  {
    method: 'GET',
    path: '/servers/{server_id}/tags',
    from: 26,
    success: 200,
    rowPolicy: 'os_compute_api:os-server-tags:index',
    handle: listTags,
  },
  {
    method: 'GET',
    path: '/servers/{server_id}/tags/{id}',
    from: 26,
    success: 204,
    rowPolicy: 'os_compute_api:os-server-tags:show',
    handle: showTag,
  },
];
