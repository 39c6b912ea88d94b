import {
  AggregateRef,
  ChangeAggregateHost,
  CreateAggregate,
  ListAggregates,
  SetAggregateMetadata,
  UpdateAggregate,
  type Aggregate,
} from '@kilonova/objects';
import type { Api } from '../api.ts';
import type { ApiRequest } from '../http/request.ts';
import { aggregateFields, newAggregateFields } from '../views/aggregate.ts';
import { render, viewOf } from '../views/view.ts';
import { collect, make, scopeFor } from './asking.ts';
import type { Route } from './route.ts';
import { rowNumber } from './values.ts';

const refOf = (api: Api, request: ApiRequest) => ({ scope: scopeFor(api, request), id: rowNumber(request.params['id']!, 'id') });
const shown = (api: Api, request: ApiRequest, aggregate: Aggregate) => ({
  aggregate: render(aggregateFields, aggregate, viewOf(api, request)),
});

async function list(api: Api, request: ApiRequest) {
  const rows = await collect(api, api.conductor.listAggregates(make(ListAggregates, { scope: scopeFor(api, request) }), request.rpc));
  const view = viewOf(api, request);
  return { aggregates: rows.map((row) => render(aggregateFields, row, view)) };
}

async function create(api: Api, request: ApiRequest) {
  const { aggregate } = request.body as { aggregate: { name: string; availability_zone?: string | null } };
  const made = await api.conductor.createAggregate(
    make(CreateAggregate, { scope: scopeFor(api, request), name: aggregate.name, availabilityZone: aggregate.availability_zone ?? null }),
    request.rpc,
  );
  return { aggregate: render(newAggregateFields, made, viewOf(api, request)) };
}

async function show(api: Api, request: ApiRequest) {
  return shown(api, request, await api.conductor.getAggregate(make(AggregateRef, refOf(api, request)), request.rpc));
}

async function update(api: Api, request: ApiRequest) {
  const { aggregate } = request.body as { aggregate: { name?: string; availability_zone?: string | null } };
  const changes = {
    ...(aggregate.name === undefined ? {} : { name: aggregate.name }),
    ...(aggregate.availability_zone === undefined ? {} : { availabilityZone: aggregate.availability_zone }),
  };
  return shown(api, request, await api.conductor.updateAggregate(make(UpdateAggregate, { ...refOf(api, request), changes }), request.rpc));
}

async function remove(api: Api, request: ApiRequest) {
  await api.conductor.deleteAggregate(make(AggregateRef, refOf(api, request)), request.rpc);
  return undefined;
}

const changeHost = (action: string, member: boolean) => async (api: Api, request: ApiRequest) => {
  const { host } = (request.body as Record<string, { host: string }>)[action]!;
  return shown(
    api,
    request,
    await api.conductor.changeAggregateHost(make(ChangeAggregateHost, { ...refOf(api, request), host, member }), request.rpc),
  );
};

async function setMetadata(api: Api, request: ApiRequest) {
  const { metadata } = (request.body as { set_metadata: { metadata: Record<string, string | null> } }).set_metadata;
  return shown(
    api,
    request,
    await api.conductor.setAggregateMetadata(make(SetAggregateMetadata, { ...refOf(api, request), metadata }), request.rpc),
  );
}

const POLICY = 'os_compute_api:os-aggregates';
const action = (name: string, handle: Route['handle']): Route => ({
  method: 'POST',
  path: '/os-aggregates/{id}/action',
  action: name,
  success: 200,
  policies: [`${POLICY}:${name}`],
  handle,
});

export const aggregateRoutes: readonly Route[] = [
  { method: 'GET', path: '/os-aggregates', success: 200, policies: [`${POLICY}:index`], handle: list },
  { method: 'POST', path: '/os-aggregates', success: 200, policies: [`${POLICY}:create`], handle: create },
  { method: 'GET', path: '/os-aggregates/{id}', success: 200, policies: [`${POLICY}:show`], handle: show },
  { method: 'PUT', path: '/os-aggregates/{id}', success: 200, policies: [`${POLICY}:update`], handle: update },
  { method: 'DELETE', path: '/os-aggregates/{id}', success: 200, policies: [`${POLICY}:delete`], handle: remove },
  action('add_host', changeHost('add_host', true)),
  action('remove_host', changeHost('remove_host', false)),
  action('set_metadata', setMetadata),
];
