import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createServers } from '../admission/create-servers.ts';
import { invariants } from '../db/invariants/index.ts';
import { usageDifferences } from '../db/quota-usages.ts';
import { type FreshDatabase, freshDatabase } from '../testing/fresh-database.ts';
import { aHost, aRequest, someFlavors, testServices, type TestServices } from '../testing/services.ts';
import { InvariantWatch } from './watch.ts';

let database: FreshDatabase;
let services: TestServices;
let uuid: string;
const never = new AbortController().signal;

beforeAll(async () => {
  database = await freshDatabase();
  services = testServices(database);
  await someFlavors(services, {});
  await aHost(services, 'h1');
});
afterAll(() => database.close());

/** One server that runs on h1, and all in order. */
beforeEach(async () => {
  await database.knex.raw('truncate instances, allocations, cleanups, quota_usages, tasks, idempotency_keys cascade');
  await database.knex.raw(`update hosts set vcpus_used = 0, memory_mb_used = 0, disk_gb_used = 0, instances = 0`);
  [uuid] = (await createServers(services, aRequest())).serverUuids as [string];
  await database.knex.raw(`update tasks set state = 'done', finished_at = kilonova_now()`);
  await database.knex.raw(`update instances set vm_state = 'active', task_state = null, host = 'h1', node = 'h1', generation = 1`);
  await database.knex.raw(
    `insert into allocations (instance_uuid, host, generation, vcpus, memory_mb, disk_gb)
     select uuid, host, generation, vcpus, memory_mb, disk_gb from instances`,
  );
  await database.knex.raw(
    `update hosts h set vcpus_used = a.vcpus, memory_mb_used = a.memory_mb, disk_gb_used = a.disk_gb, instances = 1 from allocations a where a.host = h.host`,
  );
  if ((await broken()).length > 0) throw new Error('the rows to begin with are not in order');
});

const broken = async (): Promise<readonly string[]> => {
  const names: string[] = [];
  for (const { name, find } of invariants)
    names.push(...(await find(database.knex, { limit: 10, overdueMs: 1_000 })).map(({ subject }) => `${name}: ${subject}`));
  return names;
};

const taskOf = (state: string, deadline: string) =>
  database.knex.raw(
    `insert into tasks (id, kind, version, instance_uuid, request_id, state, params, deadline_at)
     values (gen_random_uuid(), 'stop-instance', 1, ?, 'req-1', ?, '{}', kilonova_now() + cast(? as interval))`,
    [uuid, state, deadline],
  );

test.each<{ title: string; plant: () => PromiseLike<unknown>; found: () => string[] }>([
  {
    title: 'usage of quota that strayed from the instances',
    plant: () => database.knex.raw(`update quota_usages set cores = cores + 3 where user_id = ''`),
    found: () => ['quota_usage: quota_usages demo/'],
  },
  {
    title: 'a host that counts what nobody allocated',
    plant: () => database.knex.raw(`update hosts set memory_mb_used = memory_mb_used + 1`),
    found: () => ['host_usage: hosts h1'],
  },
  {
    title: 'an allocation of a generation that is over',
    plant: () => database.knex.raw(`update instances set generation = 2`),
    found: () => [`allocations_have_owners: allocations ${uuid} h1 1`, `owners_have_allocations: instances ${uuid}`],
  },
  {
    title: 'a task that lives on after its deadline',
    plant: () => taskOf('running', '-1 minute'),
    found: () => [expect.stringMatching(/^tasks_end: tasks /) as string],
  },
  {
    title: 'an instance that waits for a task that is over',
    plant: () =>
      database.knex.raw(`update instances set task_state = 'powering-off'`).then(() => taskOf('done', '1 hour').catch(() => undefined)),
    found: () => [`tasks_are_at_work: instances ${uuid}`],
  },
])('$title is found', async ({ plant, found }) => {
  await plant();
  expect(await broken()).toEqual(found());
});

test('an instance that a task works on, alone or as one of a request, is in order', async () => {
  await database.knex.raw(`update instances set task_state = 'powering-off'`);
  await taskOf('parked', '1 hour');
  expect(await broken()).toEqual([]);
  await database.knex.raw(
    `update tasks set instance_uuid = null, params = jsonb_build_object('instanceUuids', jsonb_build_array(?::text))`,
    [uuid],
  );
  expect(await broken()).toEqual([]);
});

test('what two looks in a row find is put right, and the figures tell', async () => {
  const watch = new InvariantWatch(services);
  await database.knex.raw(`update quota_usages set instances = 9`);
  await database.knex.raw(`update hosts set vcpus_used = 7, instances = 3`);
  await database.knex.raw(`update instances set vm_state = 'building', task_state = 'spawning'`);
  const unrepaired = await broken();
  await watch.look(never);
  expect(await broken()).toEqual(unrepaired);
  expect(await services.metrics.getSingleMetricAsString('kilonova_invariant_violations')).toMatch(/invariant="host_usage".*} 1\n/);
  await watch.look(never);
  expect(await broken()).toEqual([]);
  expect(await usageDifferences(database.knex)).toEqual([]);
  expect(services.touched).toContain('h1');
  expect(await database.knex('instances').first()).toMatchObject({ vm_state: 'error', task_state: null });
  expect(await database.knex('instance_faults').first()).toMatchObject({ message: 'The work on the instance (spawning) was lost.' });
});

test('an allocation without an owner goes when its host has removed what may be there', async () => {
  const watch = new InvariantWatch(testServices(database));
  await database.knex.raw(`update instances set deleted_at = kilonova_now(), vm_state = 'deleted', host = null, node = null`);
  await database.knex.raw(`delete from quota_usages`);
  await watch.look(never);
  await watch.look(never);
  expect(await database.knex('cleanups').select('host', 'generation')).toEqual([{ host: 'h1', generation: 1 }]);
  expect(await database.knex('allocations').select('host')).toEqual([{ host: 'h1' }]);
  expect(await broken()).toEqual([]);
});

test('where repairs are turned off everything stays as it was found', async () => {
  const watch = new InvariantWatch(testServices(database, { conductor: { repairInvariants: false } }));
  await database.knex.raw(`update quota_usages set instances = 9`);
  for (const _ of [1, 2, 3]) await watch.look(never);
  expect(await broken()).toEqual(['quota_usage: quota_usages demo/', 'quota_usage: quota_usages demo/ann']);
});
