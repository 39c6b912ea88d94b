import { ActOnServer } from '@kilonova/objects';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createServers } from '../admission/create-servers.ts';
import { type FreshDatabase, freshDatabase } from '../testing/fresh-database.ts';
import { aHost, aRequest, aScope, someFlavors, testServices, type TestServices } from '../testing/services.ts';
import { actionAcceptance } from './accept-action.ts';

let database: FreshDatabase;
let services: TestServices;
let act: ReturnType<typeof actionAcceptance>;

beforeAll(async () => {
  database = await freshDatabase();
  services = testServices(database, { quota: { instances: -1, cores: -1, ram: -1 } });
  act = actionAcceptance(services);
  await someFlavors(services, {}, { flavorId: '2', name: 'large', vcpus: 2 });
  await aHost(services, 'h1');
});
afterAll(() => database.close());
beforeEach(async () => {
  await database.knex.raw('truncate instances, quota_usages, tasks, idempotency_keys, server_migrations cascade');
});

async function aServer(): Promise<string> {
  const { serverUuids } = await createServers(services, aRequest({}));
  await run();
  await database.knex.raw(`update instances set host = 'h1', node = 'h1', generation = 1, launched_at = kilonova_now()`);
  return serverUuids[0]!;
}

/** As if whatever goes on had ended well, and the server ran. */
async function run(): Promise<void> {
  await database.knex.raw(`update tasks set state = 'done', finished_at = kilonova_now()`);
  await database.knex.raw(`update server_migrations set status = 'confirmed'`);
  await database.knex.raw(`update instances set vm_state = 'active', task_state = null, power_state = 1, locked = false`);
}

async function rows(): Promise<readonly unknown[]> {
  const tables = { instances: 'uuid', tasks: 'id', server_migrations: 'id', instance_actions: 'id', instance_action_events: 'id' };
  return Promise.all(Object.entries(tables).map(([table, key]) => database.knex(table).select('*').orderBy(key)));
}

const NEVER_TWICE: readonly (readonly [action: string, options: ActOnServer['options']])[] = [
  ['stop', {}],
  ['reboot', { type: 'SOFT' }],
  ['reboot', { type: 'HARD' }],
  ['lock', { reason: 'mine' }],
  ['resize', { flavorId: '2' }],
  ['migrate', {}],
  ['liveMigrate', { async: 'true' }],
  ['resetState', { state: 'error' }],
  ['delete', {}],
];

test.each(NEVER_TWICE)('%s %j that comes once more is answered as the first time, and done once', async (action, options) => {
  const uuid = await aServer();
  const request = Object.assign(new ActOnServer(), { scope: aScope(), uuid, action, options });
  await act(request);
  const begun = await rows();
  await act(request); // while it goes on
  expect(await rows()).toEqual(begun);

  await run();
  const over = await rows();
  await act(request); // when the server is again as it was
  expect(await rows()).toEqual(over);

  const another = Object.assign(new ActOnServer(), { ...request, scope: aScope() });
  await act(another);
  expect(await rows()).not.toEqual(over);
});

test('a request id of somebody who does not see the server is no way around that', async () => {
  const uuid = await aServer();
  const request = Object.assign(new ActOnServer(), { scope: aScope(), uuid, action: 'stop', options: {} });
  await act(request);
  const stranger = Object.assign(new ActOnServer(), { ...request, scope: aScope({ ...request.scope, projectId: 'other' }) });
  await expect(act(stranger)).rejects.toMatchObject({ code: 'ServerNotFound' });
});
