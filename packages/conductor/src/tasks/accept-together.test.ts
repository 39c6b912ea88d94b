import { ActOnServer } from '@kilonova/objects';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createServers } from '../admission/create-servers.ts';
import { cancel } from '../db/tasks.ts';
import type { Services } from '../services.ts';
import { type FreshDatabase, freshDatabase } from '../testing/fresh-database.ts';
import { aHost, aRequest, aScope, someFlavors, testServices, type TestServices } from '../testing/services.ts';
import { actionAcceptance } from './accept-action.ts';
import { acceptTogether } from './accept-together.ts';

let database: FreshDatabase;
let services: TestServices;

beforeAll(async () => {
  database = await freshDatabase();
  services = testServices(database, { quota: { instances: -1, cores: -1, ram: -1 } });
  await someFlavors(services, {});
  await aHost(services, 'h1');
});
afterAll(() => database.close());
beforeEach(async () => {
  await database.knex.raw('truncate instances, quota_usages, tasks, idempotency_keys cascade');
});

/** Running on h1. */
async function servers(count: number): Promise<readonly string[]> {
  const { serverUuids } = await createServers(services, aRequest({ minCount: count, maxCount: count }));
  await database.knex.raw(`update tasks set state = 'done', finished_at = kilonova_now()`);
  await database.knex.raw(
    `update instances set vm_state = 'active', task_state = null, power_state = 1, host = 'h1', node = 'h1', generation = 1, launched_at = kilonova_now()`,
  );
  return serverUuids;
}

const ask = (uuid: string, action: string, changes: Partial<ActOnServer> = {}) =>
  Object.assign(new ActOnServer(), { scope: aScope(), uuid, action, options: {} }, changes);
const tasks = async () => (await database.knex('tasks').where({ state: 'running' }).select('kind', 'instance_uuid')) as object[];

test('twenty deletes at the same time take as many statements as one', async () => {
  const uuids = await servers(21);
  const statementsOf = async (some: readonly string[]) => {
    let statements = 0;
    // The tasks are the engine's to write; its stand-in writes them singly.
    const note = ({ sql }: { readonly sql: string }) => (statements += sql.startsWith('insert into "tasks"') ? 0 : 1);
    database.knex.on('query', note);
    await acceptTogether(
      services,
      some.map((uuid) => ask(uuid, 'delete')),
    );
    database.knex.removeListener('query', note);
    return statements;
  };
  const one = await statementsOf(uuids.slice(0, 1));
  expect(await statementsOf(uuids.slice(1))).toBe(one);
  expect(one).toBeGreaterThan(4);
  expect(one).toBeLessThanOrEqual(10);
  expect(await tasks()).toHaveLength(21);
});

test('each action of a batch is judged by itself, and gets a task and a record of its own', async () => {
  const [first, second, third] = (await servers(3)) as [string, string, string];
  const act = actionAcceptance(services);
  const outcomes = await Promise.allSettled([
    act(ask(first, 'delete')),
    act(ask(second, 'start')), // it runs
    act(ask(third, 'stop')),
    act(ask(second, 'delete', { scope: aScope({ projectId: 'other' }) })),
    act(ask(second, 'reboot', { options: { type: 'SOFT' } })),
  ]);
  expect(outcomes.map((outcome) => (outcome.status === 'rejected' ? (outcome.reason as { code: string }).code : 'accepted'))).toEqual([
    'accepted',
    'ServerStateConflict',
    'accepted',
    'ServerNotFound',
    'accepted',
  ]);
  expect(new Set(await tasks())).toEqual(
    new Set([
      { kind: 'delete-instance', instance_uuid: first },
      { kind: 'stop-instance', instance_uuid: third },
      { kind: 'reboot-instance', instance_uuid: second },
    ]),
  );
  const states = (await database.knex('instances').select('uuid', 'task_state')) as { uuid: string; task_state: string }[];
  expect(new Map(states.map(({ uuid, task_state: state }) => [uuid, state]))).toEqual(
    new Map([
      [first, 'deleting'],
      [second, 'rebooting'],
      [third, 'powering-off'],
    ]),
  );
});

test('two actions on one server in one batch come one after the other', async () => {
  const [uuid] = (await servers(1)) as [string];
  const act = actionAcceptance(services);
  const outcomes = await Promise.allSettled([act(ask(uuid, 'stop')), act(ask(uuid, 'stop'))]);
  expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
  expect(await tasks()).toHaveLength(1);
});

test('a server that waits for a host is deleted at once, beside others that must be asked', async () => {
  const [placed] = (await servers(1)) as [string];
  const { serverUuids } = await createServers(services, aRequest({ flavorId: '1' }));
  await database.knex.raw(`update tasks set state = 'done', finished_at = kilonova_now() where state = 'running'`);
  const act = actionAcceptance(services);
  await Promise.all([act(ask(placed, 'delete')), act(ask(serverUuids[0]!, 'delete'))]);
  expect(await database.knex('instances').where({ uuid: serverUuids[0]! }).first()).toMatchObject({ vm_state: 'deleted' });
  expect(await tasks()).toEqual([{ kind: 'delete-instance', instance_uuid: placed }]);
  expect(await database.knex('quota_usages').where({ user_id: '' }).first()).toMatchObject({ instances: 1 });
});

test('a delete that comes once more when its server is gone is answered as the first time, another one is not', async () => {
  const [uuid] = await servers(1);
  const request = ask(uuid!, 'delete');
  expect(await acceptTogether(services, [request])).toMatchObject([{ accepted: {} }]);
  await database.knex.raw(`update tasks set state = 'done', finished_at = kilonova_now()`);
  await database.knex.raw(
    `update instances set vm_state = 'deleted', task_state = null, host = null, node = null, deleted_at = kilonova_now()`,
  );
  expect(await acceptTogether(services, [request])).toMatchObject([{ accepted: {} }]);
  const refused = { refused: { code: 'ServerNotFound' } };
  expect(await acceptTogether(services, [ask(uuid!, 'delete')])).toMatchObject([refused]);
  const stranger = aScope({ projectId: 'other', requestId: request.scope.requestId });
  expect(await acceptTogether(services, [ask(uuid!, 'delete', { scope: stranger })])).toMatchObject([refused]);
});

test.each<{
  readonly action: string;
  readonly options: ActOnServer['options'];
  readonly event: string;
  readonly migrations: readonly object[];
}>([
  { action: 'reboot', options: { type: 'HARD' }, event: 'compute_reboot_instance', migrations: [] },
  { action: 'evacuate', options: {}, event: 'rebuild_server', migrations: [{ status: 'error', open: false }] },
])('what a $action has open ends when a delete comes before it began', async ({ action, options, event, migrations }) => {
  const [uuid] = (await servers(1)) as [string];
  const engine: Services['engine'] = { ...services.engine, cancel: (trx, id, intent) => cancel(trx, null, id, intent) };
  const act = actionAcceptance({ ...services, engine });
  await act(ask(uuid, 'reboot', { options: { type: 'SOFT' }, scope: aScope({ requestId: 'req-soft' }) }));
  if (action === 'evacuate') {
    await database.knex('hosts').update({ up: false });
    await database.knex('services').update({ last_seen_at: null });
  }
  await act(ask(uuid, action, { options, scope: aScope({ requestId: 'req-between' }) }));
  await act(ask(uuid, 'delete', { scope: aScope({ requestId: 'req-delete' }) }));
  await aHost(services, 'h1');
  const events = await database
    .knex('instance_action_events as e')
    .join('instance_actions as a', 'a.id', 'e.action_id')
    .where({ 'a.instance_uuid': uuid })
    .orderBy('e.id')
    .select('a.request_id as by', 'e.event', 'e.result');
  expect(events).toEqual([
    { by: 'req-soft', event: 'compute_reboot_instance', result: null }, // ends with its task
    { by: 'req-between', event, result: 'Error' },
    { by: 'req-delete', event: 'compute_terminate_instance', result: null },
  ]);
  expect(await database.knex('server_migrations').where({ instance_uuid: uuid }).select('status', 'open')).toEqual(migrations);
  expect(await database.knex('tasks').where({ instance_uuid: uuid, state: 'running' }).first()).toMatchObject({
    ...{ kind: 'reboot-instance', cancel: { kind: 'delete', requestId: 'req-delete' } },
  });
});
