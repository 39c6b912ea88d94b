import { ChangeServerMetadata } from '@kilonova/objects';
import type { Api } from '../../api.ts';
import { badRequest, notFound } from '../../http/api-error.ts';
import type { ApiRequest } from '../../http/request.ts';
import { make } from '../asking.ts';
import type { Route } from '../route.ts';
import { findServer, serverRef } from './single.ts';

type Metadata = Record<string, string>;

async function change(
  api: Api,
  request: ApiRequest,
  route: Route,
  how: 'replace' | 'merge' | 'remove',
  metadata: Metadata,
): Promise<Metadata> {
  const asked = make(ChangeServerMetadata, { ...serverRef(api, request, route), how, metadata });
  return (await api.conductor.changeServerMetadata(asked, request.rpc)).metadata;
}

async function list(api: Api, request: ApiRequest, route: Route) {
  return { metadata: (await findServer(api, request, route)).metadata };
}

const write = (how: 'replace' | 'merge') => async (api: Api, request: ApiRequest, route: Route) => {
  const { metadata } = request.body as { metadata: Metadata };
  return { metadata: await change(api, request, route, how, metadata) };
};

async function show(api: Api, request: ApiRequest, route: Route) {
  const key = request.params['id']!;
  const { metadata } = await findServer(api, request, route);
  if (!Object.hasOwn(metadata, key)) throw notFound('Metadata item was not found');
  return { meta: { [key]: metadata[key] } };
}

async function writeOne(api: Api, request: ApiRequest, route: Route) {
  const { meta } = request.body as { meta: Metadata };
  if (!Object.hasOwn(meta, request.params['id']!)) throw badRequest('Request body and URI mismatch');
  await change(api, request, route, 'merge', meta);
  return { meta };
}

async function removeOne(api: Api, request: ApiRequest, route: Route) {
  await change(api, request, route, 'remove', { [request.params['id']!]: '' });
  return undefined;
}

const POLICY = 'os_compute_api:server-metadata';
const ALL = '/servers/{server_id}/metadata';
const ONE = '/servers/{server_id}/metadata/{id}';

export const metadataRoutes: readonly Route[] = [
  { method: 'GET', path: ALL, success: 200, rowPolicy: `${POLICY}:index`, handle: list },
  { method: 'POST', path: ALL, success: 200, rowPolicy: `${POLICY}:create`, handle: write('merge') },
  { method: 'PUT', path: ALL, success: 200, rowPolicy: `${POLICY}:update_all`, handle: write('replace') },
  { method: 'GET', path: ONE, success: 200, rowPolicy: `${POLICY}:show`, handle: show },
  { method: 'PUT', path: ONE, success: 200, rowPolicy: `${POLICY}:update`, handle: writeOne },
  { method: 'DELETE', path: ONE, success: 204, rowPolicy: `${POLICY}:delete`, handle: removeOne },
];
