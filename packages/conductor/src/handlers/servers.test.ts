import { ListServerActions } from '@kilonova/objects';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createServers } from '../admission/create-servers.ts';
import { purgeServers } from '../db/purge.ts';
import { freshDatabase, type FreshDatabase } from '../testing/fresh-database.ts';
import { aHost, anAdmin, aRequest, aScope, collect, someFlavors, testServices, type TestServices } from '../testing/services.ts';
import { getServerAction, listServerActions } from './server-actions.ts';
import { changeServerMetadata, getServer, updateServer } from './servers.ts';

let database: FreshDatabase;
let services: TestServices;
let uuid: string;

beforeAll(async () => {
  database = await freshDatabase();
  services = testServices(database, { quota: { metadataItems: 3 } });
  await someFlavors(services, {});
  await aHost(services, 'h1');
});
afterAll(() => database.close());
beforeEach(async () => {
  await database.knex.raw('truncate instances, quota_usages, tasks, idempotency_keys cascade');
  uuid = (await createServers(services, aRequest({ metadata: { one: '1' } }))).serverUuids[0]!;
  await database.knex.raw(`update instances set vm_state = 'active', task_state = null, launched_at = kilonova_now()`);
});

const set = (changes: object) => database.knex('instances').where({ uuid }).update(changes);
const change = (how: string, metadata: Record<string, string>, scope = aScope()) =>
  changeServerMetadata(services, { scope, uuid, how, metadata });

test('a server of others is not found before anything is refused; what is found can be refused', async () => {
  const stranger = aScope({ projectId: 'other', deniedBy: 'a-policy' });
  for (const act of [
    () => getServer(services, { scope: stranger, uuid }),
    () => updateServer(services, { scope: stranger, uuid, changes: { name: 'mine' } }),
    () => change('merge', {}, stranger),
    () => getServerAction(services, { scope: stranger, uuid, actionRequestId: 'req-1' }),
    () => getServer(services, { scope: aScope(), uuid: 'no-uuid' }),
  ])
    await expect(act()).rejects.toMatchObject({
      code: 'ServerNotFound',
      message: expect.stringMatching(/^Instance .* could not be found\.$/),
    });
  await expect(getServer(services, { scope: aScope({ deniedBy: 'a-policy' }), uuid })).rejects.toMatchObject({
    code: 'PolicyDenied',
    message: "Policy doesn't allow a-policy to be performed.",
  });
  expect((await getServer(services, { scope: anAdmin(), uuid })).uuid).toBe(uuid);
});

test('an update changes what was given and nothing else', async () => {
  await updateServer(services, { scope: aScope(), uuid, changes: { description: 'text', accessIpV4: '10.0.0.1', diskConfig: 'AUTO' } });
  const after = await updateServer(services, { scope: aScope(), uuid, changes: { name: 'new', description: null } });
  expect(after).toMatchObject({
    name: 'new',
    description: null,
    accessIpV4: '10.0.0.1',
    diskConfig: 'AUTO',
    hostname: 'web',
    metadata: { one: '1' },
  });
});

test('metadata is merged, replaced and removed', async () => {
  expect((await change('merge', { two: '2' })).metadata).toEqual({ one: '1', two: '2' });
  expect((await change('remove', { one: '' })).metadata).toEqual({ two: '2' });
  expect((await change('replace', { three: '3' })).metadata).toEqual({ three: '3' });
  expect((await getServer(services, { scope: aScope(), uuid })).metadata).toEqual({ three: '3' });
});

test('metadata has its limit, and a key that is not there is not found', async () => {
  await change('merge', { two: '', three: '' });
  await expect(change('merge', { four: '' })).rejects.toMatchObject({
    code: 'QuotaExceeded',
    message: 'Maximum number of metadata items exceeds 3',
  });
  await expect(change('remove', { four: '' })).rejects.toMatchObject({
    code: 'MetadataKeyNotFound',
    message: 'Metadata item was not found',
  });
});

test('merges at the same time do not lose each other', async () => {
  await Promise.all([change('merge', { two: '2' }), change('merge', { three: '3' })]);
  expect((await getServer(services, { scope: aScope(), uuid })).metadata).toEqual({ one: '1', two: '2', three: '3' });
});

test("metadata of a locked server is the administrator's, and states are respected", async () => {
  await set({ locked: true });
  await expect(change('merge', { two: '' })).rejects.toMatchObject({ code: 'ServerLocked', message: `Instance ${uuid} is locked` });
  await change('merge', { two: '' }, anAdmin());
  await set({ locked: false, vm_state: 'error' });
  await expect(change('remove', { one: '' })).rejects.toMatchObject({
    code: 'ServerStateConflict',
    message: `Cannot 'delete metadata' instance ${uuid} while it is in vm_state error`,
  });
  await set({ vm_state: 'active', launched_at: null });
  await expect(change('merge', { two: '' })).rejects.toMatchObject({ code: 'ServerNotReady' });
});

test('actions are listed newest first behind a marker, shown with their events, and outlive the server', async () => {
  const insert = (requestId: string, ago: string) =>
    database.knex.raw(
      `insert into instance_actions (instance_uuid, request_id, action, project_id, user_id, start_time)
       values (?, ?, 'stop', 'demo', 'ann', kilonova_now() + cast(? as interval)) returning id`,
      [uuid, requestId, ago],
    ) as Promise<{ rows: { id: number }[] }>;
  await insert('req-b', '1 second');
  const { rows } = await insert('req-c', '2 seconds');
  await database
    .knex('instance_action_events')
    .insert({ action_id: rows[0]!.id, event: 'compute_stop_instance', host: 'h1', result: 'Success' });
  await set({ vm_state: 'deleted', deleted_at: database.knex.raw('kilonova_now()') });

  const page = (changes: Partial<ListServerActions>) =>
    collect(listServerActions(services, Object.assign(new ListServerActions(), { scope: aScope(), uuid, limit: 10 }, changes)));
  expect((await page({})).map((action) => action.action)).toEqual(['stop', 'stop', 'create']);
  expect((await page({ marker: 'req-c', limit: 1 })).map((action) => action.requestId)).toEqual(['req-b']);
  await expect(page({ marker: 'req-x' })).rejects.toMatchObject({ code: 'MarkerNotFound' });
  expect(await getServerAction(services, { scope: aScope(), uuid, actionRequestId: 'req-c' })).toMatchObject({
    action: 'stop',
    events: [{ event: 'compute_stop_instance', host: 'h1', result: 'Success', finishTime: null, startTime: expect.stringMatching(/Z$/) }],
  });
  await expect(getServerAction(services, { scope: aScope(), uuid, actionRequestId: 'req-x' })).rejects.toMatchObject({
    code: 'ActionNotFound',
  });
});

test('deleted servers are purged after their time, unless a host still holds something of them', async () => {
  await set({ vm_state: 'deleted', deleted_at: database.knex.raw(`kilonova_now() - interval '2 hours'`) });
  expect(await purgeServers(database.knex, 3, 100)).toBe(0);
  await database.knex('cleanups').insert({ host: 'h1', instance_uuid: uuid, generation: 1, request_id: 'r', reason: 'deadline' });
  expect(await purgeServers(database.knex, 1, 100)).toBe(0);
  await database.knex('cleanups').del();
  expect(await purgeServers(database.knex, 1, 100)).toBe(1);
  expect(await database.knex('instance_actions')).toEqual([]);
});
