import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createServers } from '../admission/create-servers.ts';
import { freshDatabase, type FreshDatabase } from '../testing/fresh-database.ts';
import { aHost, aRequest, someFlavors, testServices, type TestServices } from '../testing/services.ts';
import { adoptStrays } from './adopted-strays.ts';
import { allocate } from './claims.ts';
import { releaseStrays } from './operated-strays.ts';
import { invariants } from './invariants/index.ts';

let database: FreshDatabase;
let services: TestServices;
let uuid: string;
const STRANGER = '99999999-9999-4999-8999-999999999999';

beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.close());
beforeEach(async () => {
  await run('truncate instances, hosts, services, flavors, quota_usages, tasks, idempotency_keys, cleanups cascade');
  services = testServices(database);
  for (const host of ['h1', 'h2']) await aHost(services, host);
  await someFlavors(services, {});
  [uuid] = (await createServers(services, aRequest())).serverUuids as [string];
  await run(
    `update instances set host = 'h1', node = 'h1', generation = 1, last_generation = 1, vm_state = 'stopped', task_state = null, power_state = 4`,
  );
  await database.knex.transaction((trx) =>
    allocate(trx, [{ instanceUuid: uuid, host: 'h1', generation: 1, vcpus: 1, memoryMb: 512, diskGb: 1 }]),
  );
  await run(`update instances set vcpus = 1, memory_mb = 512, disk_gb = 1`);
  await run(`update hosts set io_ops = 0`);
  await shown(uuid, 2, 1);
});

const run = async (sql: string) => ((await database.knex.raw(sql)) as { rows: object[] }).rows;
const shown = (instance: string, generation: number, power: number) =>
  run(
    `insert into strays (host, instance_uuid, generation, power_state, standing, round) values ('h2', '${instance}', ${generation}, ${power}, 'newer', 1)`,
  );
const adopt = (host: string, ...uuids: readonly string[]) => adoptStrays(database.config, { host, uuids });
const everything = async () => [
  await run('select * from instances'),
  await run('select * from allocations'),
  await run('select host, vcpus_used, memory_mb_used, disk_gb_used, instances, io_ops from hosts order by host'),
  await run('select * from strays'),
];

test.each([
  { power: 1, vmState: 'active' },
  { power: 4, vmState: 'stopped' },
  { power: 6, vmState: 'stopped' },
])('the host that shows it with power $power has it then, and the other has nothing of it', async ({ power, vmState }) => {
  await run(`update strays set power_state = ${power}`);
  expect(await adopt('h2', uuid)).toMatchObject([{ uuid, adopted: { host: 'h2', generation: 2 } }]);
  expect(await run('select host, node, generation, last_generation, vm_state, task_state from instances')).toEqual([
    { host: 'h2', node: 'h2', generation: 2, last_generation: 2, vm_state: vmState, task_state: null },
  ]);
  expect(await run('select host, generation from allocations')).toEqual([{ host: 'h2', generation: 2 }]);
  expect(await run('select host, vcpus_used::int as vcpus, instances, io_ops from hosts order by host')).toEqual([
    { host: 'h1', vcpus: 0, instances: 0, io_ops: 0 },
    { host: 'h2', vcpus: 1, instances: 1, io_ops: 0 },
  ]);
  expect(await run('select 1 from strays union all select 1 from cleanups')).toEqual([]);
  for (const { name, find } of invariants.filter((each) => !each.name.startsWith('quota')))
    expect(await find(database.knex, { limit: 10, overdueMs: 60_000 }), name).toEqual([]);
});

test('a generation that is lower than one that was given out since is taken as it is shown', async () => {
  await run('update instances set last_generation = 5');
  await adopt('h2', uuid);
  expect(await run('select generation, last_generation from instances')).toEqual([{ generation: 2, last_generation: 5 }]);
});

test('of two that a host shows the one is taken that it showed last, also when it registered since', async () => {
  await shown(uuid, 3, 1);
  await run(`update strays set seen_at = seen_at - interval '1 minute' where generation = 3`);
  await aHost(services, 'h2');
  await adopt('h2', uuid);
  expect(await run('select generation from instances')).toEqual([{ generation: 2 }]);
});

test('what was adopted cannot be released by what a report still says of it', async () => {
  await adopt('h2', uuid);
  await shown(uuid, 2, 1);
  expect(await releaseStrays(database.config, { host: 'h2', uuids: [uuid], requestId: 'r' })).toEqual([]);
  expect(await run('select 1 from cleanups')).toEqual([]);
});

describe('nothing is changed by one that is refused', () => {
  test.each([
    { title: 'that the host does not show', change: 'delete from strays', refused: 'host h2 shows no such stray' },
    {
      title: 'that is deleted',
      change: `update instances set host = null, node = null, vm_state = 'deleted', deleted_at = now()`,
      refused: 'the instance is deleted',
    },
    {
      title: 'in a task',
      change: `update tasks set instance_uuid = (select uuid from instances)`,
      refused: 'a task is at work on it: try again when that is done',
    },
    {
      title: 'that was released to be removed',
      change: `insert into cleanups (host, instance_uuid, generation, request_id, reason) select host, instance_uuid, generation, 'r', 'released' from strays`,
      refused: 'it was released: the host is told to remove it',
    },
    {
      title: 'that a removal of something newer takes with it',
      change: `insert into cleanups (host, instance_uuid, generation, request_id, reason) select host, instance_uuid, 5, 'r', 'moved back' from strays`,
      refused: 'it was released: the host is told to remove it',
    },
    {
      title: 'for which there is no room',
      change: `update hosts set memory_mb_limit = 100 where host = 'h2'`,
      refused: 'host h2 has no room for it (hosts_memory_claimed)',
    },
  ])('$title', async ({ change, refused }) => {
    await run(change);
    const before = await everything();
    expect(await adopt('h2', uuid)).toEqual([{ uuid, refused }]);
    expect(await everything()).toEqual(before);
  });

  test('that the database does not know, or that is no UUID; the others are adopted', async () => {
    await shown(STRANGER, 1, 1);
    expect(await adopt('h2', 'nonsense', STRANGER, uuid)).toMatchObject([
      { refused: 'expected a UUID' },
      { refused: 'the database does not know this instance' },
      { adopted: { uuid } },
    ]);
  });
});
