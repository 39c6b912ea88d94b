import { ActOnServer, CreateServerGroup, DomainReport, DomainsReport, OperationReport } from '@kilonova/objects';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { ConductorConfig } from './config.ts';
import { insertFlavor } from './db/flavors.ts';
import { Cloud } from './testing/cloud.ts';
import { freshDatabase, type FreshDatabase } from './testing/fresh-database.ts';
import { aFlavor, anAdmin, aRequest, aScope } from './testing/services.ts';

let database: FreshDatabase;
let cloud: Cloud;

beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.close());
beforeEach(async () => {
  await database.knex.raw(
    'truncate instances, aggregates, hosts, services, flavors, quota_usages, tasks, idempotency_keys, conductors, cleanups, server_groups cascade',
  );
  await insertFlavor(database.knex, aFlavor());
});
afterEach(() => cloud.stop());

async function aCloud(hosts: readonly string[], config: Partial<ConductorConfig> = {}, inventory: object = {}, pin?: string) {
  cloud = new Cloud(database, config);
  await cloud.startScheduler();
  const conductor = await cloud.startConductor('c1', pin === undefined ? {} : { pin });
  for (const host of hosts) await cloud.startHost(host, inventory);
  return conductor;
}

const rows = async <Row = Record<string, unknown>>(sql: string) => ((await database.knex.raw(sql)) as { rows: Row[] }).rows;
const act = (uuid: string, action: string, options: Record<string, string> = {}, scope = anAdmin()) =>
  cloud.act(Object.assign(new ActOnServer(), { scope, uuid, action, options }));
const servers = () =>
  rows<{ vmState: string; host: string | null }>(
    `select vm_state as "vmState", task_state as "taskState", power_state as "powerState", host from instances order by created_at, launch_index`,
  );
const faults = async () =>
  (await rows<{ message: string }>('select message from instance_faults order by id')).map(({ message }) => message);

async function aServer(): Promise<string> {
  const { serverUuids } = await cloud.create(aRequest());
  await expect.poll(servers, { timeout: 5_000, interval: 10 }).toMatchObject([{ vmState: 'active' }]);
  return serverUuids[0]!;
}

const unlessGone = (error: { code?: string }) => {
  if (error.code !== 'ServerNotFound') throw error;
};

describe('creates that come at the same time', () => {
  const allActive = (count: number) => Array.from({ length: count }, () => ({ vmState: 'active' }));
  const createMany = async (count: number) => {
    await Promise.all(Array.from({ length: count }, () => cloud.create(aRequest())));
    await cloud.settled();
    expect(await servers()).toMatchObject(allActive(count));
    expect(cloud.asked).toHaveLength(count);
  };

  test('ask the scheduler together', async () => {
    await aCloud(['h1', 'h2']);
    await createMany(8);
    expect(Math.max(...cloud.questions)).toBeGreaterThan(1);
  });

  test('ask a scheduler of before one by one', async () => {
    await aCloud(['h1', 'h2'], {}, {}, '1.0');
    await createMany(8);
    expect(cloud.questions).toEqual(Array<number>(8).fill(1));
  });

  test('ask for hosts of each alone when one of them is for too many', async () => {
    await aCloud(['h1', 'h2'], { selectBatch: 2 });
    await Promise.all([aRequest({ minCount: 3, maxCount: 3 }), aRequest(), aRequest()].map((request) => cloud.create(request)));
    await cloud.settled();
    expect(await servers()).toMatchObject(allActive(5));
    expect(cloud.asked.filter(({ instanceUuids }) => instanceUuids.length === 3)).toHaveLength(1);
  });
});

describe('claims', () => {
  test('never exceed a host, however many conductors and requests want it', async () => {
    await aCloud(['h1', 'h2'], {}, { vcpus: 1, memoryMb: 2_560 });
    await cloud.startConductor('c2');
    await cloud.startConductor('c3');
    await Promise.all(Array.from({ length: 20 }, () => cloud.create(aRequest())));
    await cloud.settled();
    const states = (await servers()).map(({ vmState, host }) => `${vmState} ${host}`).toSorted();
    // Four vCPUs (ratio 4) and five times the memory on each.
    expect(states.filter((state) => state.startsWith('active'))).toEqual([
      ...Array<string>(4).fill('active h1'),
      ...Array<string>(4).fill('active h2'),
    ]);
    expect(states.filter((state) => state === 'error null')).toHaveLength(12);
    await cloud.assertNothingLeftOver();
  });

  test('keep members of an anti-affinity group apart, although the scheduler names the same host for all', async () => {
    await aCloud(['h1', 'h2', 'h3']);
    const group = await cloud.client.createServerGroup(
      Object.assign(new CreateServerGroup(), { scope: aScope(), name: 'apart', policy: 'anti-affinity' }),
    );
    await Promise.all(Array.from({ length: 3 }, () => cloud.create(aRequest({ hints: { group: group.uuid } }))));
    await cloud.settled();
    expect(new Set((await servers()).map(({ host }) => host))).toEqual(new Set(['h1', 'h2', 'h3']));
  });

  test('refuse a host that left the zone after the scheduler looked', async () => {
    await aCloud(['h1', 'h2']);
    await database.knex.raw(`insert into aggregates (id, uuid, name, availability_zone) values (1, gen_random_uuid(), 'a', 'west')`);
    await database.knex.raw(`insert into aggregate_hosts values (1, 'h2')`);
    await cloud.create(aRequest({ availabilityZone: 'west' }));
    await cloud.settled();
    expect(await servers()).toMatchObject([{ vmState: 'active', host: 'h2' }]);
  });
});

describe('a create', () => {
  test("that no host fits ends in ERROR with the scheduler's reasons", async () => {
    await aCloud([]);
    cloud.explanation = '4 hosts considered: 3 not in zone test-az, 1 with 512 of 2048 MiB free';
    await cloud.create(aRequest());
    await cloud.settled();
    expect(await servers()).toMatchObject([{ vmState: 'error', taskState: null, host: null }]);
    expect(await faults()).toEqual(['No valid host was found. 4 hosts considered: 3 not in zone test-az, 1 with 512 of 2048 MiB free']);
    expect(await rows(`select event, result from instance_action_events`)).toEqual([{ event: 'schedule_instances', result: 'Error' }]);
  });

  test('that every host fails says so host by host, and asks again without them', async () => {
    await aCloud(['h1', 'h2', 'h3'], { alternates: 0, maxAttempts: 2 });
    cloud.choose = (request) => [...cloud.hosts.keys()].filter((host) => !request.excludedHosts.includes(host)).slice(0, 1);
    for (const host of cloud.hosts.values()) host.behaviour.spawn = 'fail';
    const { serverUuids } = await cloud.create(aRequest());
    await cloud.settled();
    expect(cloud.asked.map(({ excludedHosts }) => excludedHosts)).toEqual([[], ['h1']]);
    expect(await faults()).toEqual([
      `Exceeded maximum number of retries. Exhausted all hosts available for retrying build failures for instance ${serverUuids[0]}. ` +
        'h1: spawn does not work here; h2: spawn does not work here',
    ]);
    await cloud.assertNothingLeftOver();
  });

  test('whose host falls silent ends in ERROR, and the host keeps its allocation until it has cleaned up', async () => {
    await aCloud(['h1', 'h2'], { buildDeadlineMs: 300 });
    const h1 = cloud.hosts.get('h1')!;
    h1.behaviour.spawn = 'ignore';
    h1.behaviour.remove = 'ignore';
    await cloud.create(aRequest());
    await expect.poll(servers, { interval: 20 }).toMatchObject([{ vmState: 'error', host: null }]);
    expect(await faults()).toMatchObject([expect.stringContaining('h1: Host h1 did not answer in time.')]);
    expect(await rows('select host, instances from hosts order by host')).toEqual([
      { host: 'h1', instances: 1 },
      { host: 'h2', instances: 0 },
    ]);
    h1.behaviour.remove = 'do';
    await h1.register();
    await cloud.settled();
    await cloud.assertNothingLeftOver();
  });

  test('whose order is lost is told again by the same name', async () => {
    await aCloud(['h1']);
    const h1 = cloud.hosts.get('h1')!;
    h1.behaviour.spawn = 'ignore';
    await cloud.create(aRequest());
    await expect.poll(() => h1.heard.length, { interval: 10 }).toBeGreaterThan(1);
    h1.behaviour.spawn = 'do';
    await cloud.settled();
    expect(new Set(h1.heard.map(({ operation }) => operation.operationId)).size).toBe(1);
    expect(await servers()).toMatchObject([{ vmState: 'active' }]);
  });
});

test('a delete on a host that is gone frees the quota at once and keeps the allocation until the host is back', async () => {
  await aCloud(['h1'], { deleteDeadlineMs: 200 });
  const uuid = await aServer();
  const h1 = cloud.hosts.get('h1')!;
  h1.behaviour.remove = 'ignore';
  await act(uuid, 'delete');
  await expect.poll(servers, { interval: 20 }).toMatchObject([{ vmState: 'deleted', host: null }]);
  expect(await rows(`select instances::int from quota_usages where user_id = ''`)).toEqual([{ instances: 0 }]);
  expect(await rows(`select instances from hosts`)).toEqual([{ instances: 1 }]);
  h1.behaviour.remove = 'do';
  await cloud.settled();
  await cloud.assertNothingLeftOver();
});

test('a hard reboot takes over from a soft one that hangs, and a delete from both', async () => {
  await aCloud(['h1']);
  const uuid = await aServer();
  const h1 = cloud.hosts.get('h1')!;
  h1.behaviour.reboot = 'ignore';
  await act(uuid, 'reboot', { type: 'SOFT' });
  await act(uuid, 'reboot', { type: 'HARD' });
  await expect
    .poll(() => h1.heard.filter(({ verb }) => verb === 'reboot').map(({ operation }) => (operation as { kind?: string }).kind), {
      interval: 10,
    })
    .toContain('hard');
  expect(await servers()).toMatchObject([{ vmState: 'active', taskState: 'reboot_started_hard' }]);
  await expect(act(uuid, 'stop')).rejects.toMatchObject({
    code: 'ServerStateConflict',
    message: `Cannot 'stop' instance ${uuid} while it is in task_state reboot_started_hard`,
  });
  await act(uuid, 'delete');
  await cloud.settled();
  expect(await servers()).toMatchObject([{ vmState: 'deleted' }]);
  await cloud.assertNothingLeftOver();
});

test('an action is refused by scope, policy, lock and state, in this order', async () => {
  await aCloud(['h1']);
  const uuid = await aServer();
  const stranger = aScope({ projectId: 'other', deniedBy: 'os_compute_api:servers:stop' });
  await expect(act(uuid, 'stop', {}, stranger)).rejects.toMatchObject({
    code: 'ServerNotFound',
    message: `Instance ${uuid} could not be found.`,
  });
  await expect(act(uuid, 'stop', {}, aScope({ deniedBy: 'os_compute_api:servers:stop' }))).rejects.toMatchObject({ code: 'PolicyDenied' });
  await act(uuid, 'lock', { reason: 'mine' }, aScope());
  await expect(act(uuid, 'start', {}, aScope())).rejects.toMatchObject({ code: 'ServerLocked', message: `Instance ${uuid} is locked` });
  await act(uuid, 'unlock', {}, aScope());
  await expect(act(uuid, 'start', {}, aScope())).rejects.toMatchObject({
    code: 'ServerStateConflict',
    message: `Cannot 'start' instance ${uuid} while it is in vm_state active`,
  });
  await expect(act('no uuid', 'stop')).rejects.toMatchObject({ code: 'ServerNotFound' });
});

describe('what hosts say', () => {
  test('counts only from the host that has the instance, and only when it is news', async () => {
    await aCloud(['h1', 'h2'], { enforceHostAccounts: true });
    const h1 = cloud.hosts.get('h1')!;
    h1.behaviour.spawn = 'ignore';
    const { serverUuids } = await cloud.create(aRequest());
    await expect.poll(() => h1.heard.length, { interval: 10 }).toBeGreaterThan(0);
    const { operationId, instanceUuid, generation } = h1.heard[0]!.operation;
    const done = { operationId, instanceUuid, generation, number: 1, outcome: 'done', power: 1 };
    const reported = (changes: object) => Object.assign(new OperationReport(), done, changes);
    // Another host about it, under its own name and under a stolen one.
    expect(await cloud.hosts.get('h2')!.report(reported({}))).toMatchObject({ operationIds: [operationId] });
    await expect(cloud.hosts.get('h2')!.reports.reportOperations({ host: 'h1', reports: [reported({})] })).rejects.toThrow(
      'account "compute.h2" does not speak for host "h1"',
    );
    await h1.report(reported({ generation: generation - 1 }));
    await database.knex.raw('update allocations set report_number = 5');
    await h1.report(reported({ number: 5 }));
    expect(await servers()).toMatchObject([{ vmState: 'building' }]);
    await h1.report(reported({ number: 6 }));
    await expect.poll(servers, { interval: 10 }).toMatchObject([{ vmState: 'active' }]);
    expect(serverUuids).toEqual([instanceUuid]);
    h1.domains.set(instanceUuid, { generation, power: 1 });
  });

  const domains = (host: string, round: number, list: readonly { uuid: string; generation: number; power: 1 | 4 }[], last = true) =>
    cloud.hosts
      .get(host)!
      .reports.reportDomains(
        Object.assign(new DomainsReport(), { host, round, last, domains: list.map((domain) => Object.assign(new DomainReport(), domain)) }),
      );

  test('an instance is shown stopped when two rounds in a row miss it, and not before', async () => {
    await aCloud(['h1']);
    const uuid = await aServer();
    await domains('h1', 1, []);
    await domains('h1', 2, [{ uuid, generation: 1, power: 1 }], false);
    await domains('h1', 2, []); // the other piece had it
    await domains('h1', 3, []);
    await domains('h1', 3, []); // the same round again
    expect(await servers()).toMatchObject([{ vmState: 'active' }]);
    await domains('h1', 4, []);
    expect(await servers()).toMatchObject([{ vmState: 'stopped', powerState: 4 }]);
  });

  test('an instance is shown running when two rounds in a row show its guest running, and not before', async () => {
    await aCloud(['h1']);
    const uuid = await aServer();
    await act(uuid, 'stop');
    await expect.poll(servers, { timeout: 5_000, interval: 10 }).toMatchObject([{ vmState: 'stopped', taskState: null }]);
    const shows = (round: number, power: 1 | 4) => domains('h1', round, [{ uuid, generation: 1, power }]);
    await shows(1, 1);
    await shows(2, 4); // it was on its way when the guest stopped
    await shows(3, 1);
    expect(await servers()).toMatchObject([{ vmState: 'stopped', powerState: 4 }]);
    await shows(4, 1);
    expect(await servers()).toMatchObject([{ vmState: 'active', powerState: 1 }]);
  });

  test('is only shown as the power of an instance that shall follow nothing', async () => {
    await aCloud(['h1'], { syncPowerStates: false });
    const uuid = await aServer();
    for (const round of [1, 2, 3]) await domains('h1', round, [{ uuid, generation: 1, power: 4 }]);
    expect(await servers()).toMatchObject([{ vmState: 'active', powerState: 4 }]);
    const revision = () => rows('select revision from instances');
    const before = await revision();
    await domains('h1', 4, [{ uuid, generation: 1, power: 4 }]);
    expect(await revision()).toEqual(before);
  });

  test('a host whose clock was put back is heard again after its agent was started anew', async () => {
    await aCloud(['h1']);
    const uuid = await aServer();
    await domains('h1', 7_200, [{ uuid, generation: 1, power: 1 }], false);
    await domains('h1', 7_200, [{ uuid, generation: 1, power: 1 }]);
    await cloud.hosts.get('h1')!.register();
    await domains('h1', 1, []);
    await domains('h1', 2, []);
    expect(await servers()).toMatchObject([{ vmState: 'stopped', powerState: 4 }]);
  });
});

test('lost, doubled and late messages change nothing but time', { timeout: 60_000 }, async () => {
  await aCloud(['h1', 'h2', 'h3']);
  await cloud.startConductor('c2');
  cloud.broker.faults = { lose: 0.1, double: 0.2, delayMs: 30 };
  const created = await Promise.allSettled(Array.from({ length: 15 }, () => cloud.create(aRequest())));
  const uuids = created.flatMap((one) => (one.status === 'fulfilled' ? one.value.serverUuids : []));
  await Promise.allSettled(uuids.slice(0, 8).map((uuid) => act(uuid, 'delete')));
  cloud.broker.faults = { double: 0.3, delayMs: 20 };
  await Promise.all(uuids.slice(0, 8).map((uuid) => act(uuid, 'delete').catch(unlessGone)));
  await cloud.settled(30_000);
  cloud.broker.faults = {};
  await cloud.assertNothingLeftOver();
  const states = await rows<{ uuid: string; state: string }>('select uuid, vm_state as state from instances');
  for (const { uuid, state } of states) expect([uuid, state]).toEqual([uuid, uuids.slice(0, 8).includes(uuid) ? 'deleted' : 'active']);
});

test('without its database a conductor says so in bounded time, and goes on when it is back', { timeout: 60_000 }, async () => {
  cloud = new Cloud(database);
  await cloud.startScheduler();
  const { service } = await cloud.startConductor('c1', { ownPool: true });
  await cloud.startHost('h1');
  const name = new URL(database.config.url).pathname.slice(1);
  const gone = async (away: boolean) => {
    const server = database.asServer();
    await server.raw(`alter database ?? with allow_connections ${away ? 'false' : 'true'}`, [name]);
    if (away)
      await server.raw(
        `select pg_terminate_backend(pid) from pg_stat_activity where datname = ? and application_name = 'kilonova-conductor'`,
        [name],
      );
  };
  await gone(true);
  try {
    await expect(cloud.create(aRequest())).rejects.toMatchObject({ code: 'DatabaseUnavailable' });
    expect((await service.health()).checks['database']).toMatchObject({ ok: false });
  } finally {
    await gone(false);
  }
  await expect.poll(async () => (await service.health()).ok, { timeout: 10_000, interval: 50 }).toBe(true);
  await cloud.create(aRequest());
  await expect.poll(servers, { timeout: 5_000, interval: 20 }).toMatchObject([{ vmState: 'active' }]);
});

test('a conductor that stops hands its tasks to the next at once', async () => {
  const { service } = await aCloud(['h1'], { leaseMs: 60_000 });
  const h1 = cloud.hosts.get('h1')!;
  h1.behaviour.spawn = 'ignore';
  await cloud.create(aRequest());
  await expect.poll(() => h1.heard.length, { interval: 10 }).toBeGreaterThan(0);
  await service.stop();
  expect(await rows(`select owner from tasks where state = 'parked'`)).toEqual([{ owner: null }]);
  h1.behaviour.spawn = 'do';
  await cloud.startConductor('c2');
  await cloud.settled();
  expect(await servers()).toMatchObject([{ vmState: 'active' }]);
});
