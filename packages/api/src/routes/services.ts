import { ListServices, ServiceRef, UpdateService } from '@kilonova/objects';
import type { Api } from '../api.ts';
import { badRequest, notFound } from '../http/api-error.ts';
import { lastOf } from '../http/query.ts';
import type { ApiRequest } from '../http/request.ts';
import { serviceFields } from '../views/service.ts';
import { render, viewOf } from '../views/view.ts';
import { collect, make, scopeFor } from './asking.ts';
import type { Route } from './route.ts';
import { booleanOf, isUuid } from './values.ts';

async function list(api: Api, request: ApiRequest) {
  const asked = make(ListServices, {
    scope: scopeFor(api, request),
    host: lastOf(request.query, 'host') || null,
    binary: lastOf(request.query, 'binary') || null,
  });
  const services = await collect(api, api.conductor.listServices(asked, request.rpc));
  const view = viewOf(api, request);
  return { services: services.map((service) => render(serviceFields, service, view)) };
}

interface OldUpdate {
  readonly host: string;
  readonly binary: string;
  readonly disabled_reason?: string;
  readonly forced_down?: boolean | string;
}

type Changes = UpdateService['changes'];

/** What the verbs of the old form do, and what their answers say besides host and binary. */
const verbs: Readonly<
  Record<string, (given: OldUpdate, version: number) => { readonly changes: Changes; readonly says: object } | undefined>
> = {
  enable: () => ({ changes: { disabled: false, disabledReason: null }, says: { status: 'enabled' } }),
  disable: () => ({ changes: { disabled: true, disabledReason: null }, says: { status: 'disabled' } }),
  'disable-log-reason'({ disabled_reason: reason }) {
    if (reason === undefined) throw badRequest('Missing disabled reason field');
    return { changes: { disabled: true, disabledReason: reason }, says: { status: 'disabled', disabled_reason: reason } };
  },
  'force-down'({ forced_down: given }, version) {
    if (version < 11) return undefined;
    const forcedDown = booleanOf(given);
    if (forcedDown === undefined) throw badRequest('Missing forced_down field');
    return { changes: { forcedDown }, says: { forced_down: forcedDown } };
  },
};

/** Up to 2.52: the verb stands in the URL, the service is named by host and binary. */
async function updateByVerb(api: Api, request: ApiRequest) {
  const given = request.body as OldUpdate;
  const verb = request.params['id']!;
  const done = Object.hasOwn(verbs, verb) ? verbs[verb]!(given, request.version) : undefined;
  if (done === undefined) throw notFound('Unknown action');
  const { host, binary } = given;
  await api.conductor.updateService(
    make(UpdateService, { scope: scopeFor(api, request), host, binary, changes: done.changes }),
    request.rpc,
  );
  return { service: { host, binary, ...done.says } };
}

async function updateByUuid(api: Api, request: ApiRequest) {
  const {
    status,
    disabled_reason: reason,
    forced_down: forced,
  } = request.body as { status?: string; disabled_reason?: string; forced_down?: boolean | string };
  const uuid = uuidOf(request);
  if (reason !== undefined && status !== 'disabled') throw badRequest("Specifying disabled_reason requires that status is 'disabled'.");
  const forcedDown = forced === undefined ? undefined : booleanOf(forced);
  if (status === undefined && forcedDown === undefined)
    throw badRequest("No updates were requested. Fields 'status' or 'forced_down' should be specified.");
  const changes: Changes = {
    ...(status === undefined ? {} : { disabled: status === 'disabled', disabledReason: reason ?? null }),
    ...(forcedDown === undefined ? {} : { forcedDown }),
  };
  const service = await api.conductor.updateService(make(UpdateService, { scope: scopeFor(api, request), uuid, changes }), request.rpc);
  return { service: render(serviceFields, service, viewOf(api, request)) };
}

function uuidOf({ params }: ApiRequest): string {
  const id = params['id']!;
  if (!isUuid(id)) throw badRequest(`Invalid uuid ${id}`);
  return id.toLowerCase();
}

function rowOf({ params }: ApiRequest): number {
  const id = params['id']!;
  if (!/^\d{1,9}$/.test(id)) throw badRequest(`Invalid service id ${id}: expected an integer`);
  return Number(id);
}

async function remove(api: Api, request: ApiRequest) {
  const which = request.version >= 53 ? { uuid: uuidOf(request) } : { id: rowOf(request) };
  await api.conductor.deleteService(make(ServiceRef, { scope: scopeFor(api, request), ...which }), request.rpc);
  return undefined;
}

const POLICY = 'os_compute_api:os-services';
const UPDATE = { method: 'PUT', path: '/os-services/{id}', success: 200, policies: [`${POLICY}:update`] } as const;

export const serviceRoutes: readonly Route[] = [
  { method: 'GET', path: '/os-services', success: 200, policies: [`${POLICY}:list`], handle: list },
  { ...UPDATE, to: 52, handle: updateByVerb },
  { ...UPDATE, from: 53, handle: updateByUuid },
  { method: 'DELETE', path: '/os-services/{id}', success: 204, policies: [`${POLICY}:delete`], handle: remove },
];
