import { ActOnServer, ListServerMigrations, ServerMigrationRef } from '@kilonova/objects';
import type { Api } from '../../api.ts';
import { badRequest, notFound } from '../../http/api-error.ts';
import { hasCode } from '../../http/error-status.ts';
import { Reply, type ApiRequest } from '../../http/request.ts';
import { serverMigrationFields } from '../../views/migration.ts';
import { render, viewOf } from '../../views/view.ts';
import { collect, make } from '../asking.ts';
import type { Route } from '../route.ts';
import { findServer, serverRef } from './single.ts';

const POLICY = 'os_compute_api:servers:migrations';
const PATH = '/servers/{server_id}/migrations';

async function list(api: Api, request: ApiRequest, route: Route) {
  const asked = make(ListServerMigrations, serverRef(api, request, route));
  const migrations = await collect(api, api.conductor.listServerMigrations(asked, request.rpc));
  const view = viewOf(api, request);
  return { migrations: migrations.map((migration) => render(serverMigrationFields, migration, view)) };
}

async function show(api: Api, request: ApiRequest, route: Route) {
  const ref = serverRef(api, request, route);
  const id = request.params['id']!;
  if (!/^\d{1,9}$/.test(id)) {
    // What is no number names no migration, of a server that is there.
    await findServer(api, request, route);
    throw notFound(`In-progress live migration ${id} is not found for server ${ref.uuid}.`);
  }
  const asked = make(ServerMigrationRef, { ...ref, migrationId: Number(id) });
  const migration = await api.conductor.getServerMigration(asked, request.rpc);
  return { migration: render(serverMigrationFields, migration, viewOf(api, request)) };
}

/** Something is asked of the migration. From 2.65 it may be broken off before it runs. */
async function ask(api: Api, request: ApiRequest, route: Route, action: 'abortMigration' | 'forceCompleteMigration') {
  const options = { id: request.params['id']!, ...(request.version >= 65 && { early: 'true' }) };
  await api.conductor.actOnServer(make(ActOnServer, { ...serverRef(api, request, route), action, options }), request.rpc);
  return new Reply(undefined);
}

const abort: Route['handle'] = (api, request, route) => ask(api, request, route, 'abortMigration');

/** An action on what is not there is a bad request. @throws ApiError 400 */
const forceComplete: Route['handle'] = (api, request, route) =>
  ask(api, request, route, 'forceCompleteMigration').catch((error: unknown) => {
    throw hasCode(error, 'MigrationNotFound') ? badRequest((error as Error).message) : error;
  });

export const serverMigrationRoutes: readonly Route[] = [
  { method: 'GET', path: PATH, from: 23, success: 200, rowPolicy: `${POLICY}:index`, handle: list },
  { method: 'GET', path: `${PATH}/{id}`, from: 23, success: 200, rowPolicy: `${POLICY}:show`, handle: show },
  { method: 'DELETE', path: `${PATH}/{id}`, from: 24, success: 202, rowPolicy: `${POLICY}:delete`, handle: abort },
  {
    method: 'POST',
    path: `${PATH}/{id}/action`,
    action: 'force_complete',
    from: 22,
    success: 202,
    rowPolicy: `${POLICY}:force_complete`,
    handle: forceComplete,
  },
];
