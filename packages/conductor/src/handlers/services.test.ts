import { HypervisorRef, ListHypervisors, ListServices, ServiceRef, UpdateService } from '@kilonova/objects';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createServers } from '../admission/create-servers.ts';
import { hostStates } from '../db/host-states.ts';
import { freshDatabase, type FreshDatabase } from '../testing/fresh-database.ts';
import { aHost, anAdmin, aRequest, collect, someFlavors, testServices, type TestServices } from '../testing/services.ts';
import { getHypervisor, listHostStates, listHypervisors } from './hosts.ts';
import { deleteService, listServices, updateService } from './services.ts';

let database: FreshDatabase;
let services: TestServices;
const scope = anAdmin();

beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.close());
beforeEach(async () => {
  await database.knex.raw('truncate instances, hosts, services, aggregates, flavors, quota_usages, tasks, idempotency_keys cascade');
  services = testServices(database, { conductor: { pieceRows: 2 } });
  for (const host of ['h1', 'h2', 'h3']) await aHost(services, host);
  await database.knex('services').insert({ uuid: services.random.uuid(), binary: 'nova-scheduler', host: 'c1', version: '1.0' });
});

const list = (changes: Partial<ListServices> = {}) =>
  collect(listServices(services, Object.assign(new ListServices(), { scope }, changes)));
const update = (ref: Partial<ServiceRef>, changes: UpdateService['changes']) =>
  updateService(services, Object.assign(new UpdateService(), { scope }, ref, { changes }));
const remove = (ref: Partial<ServiceRef>) => deleteService(services, Object.assign(new ServiceRef(), { scope }, ref));
const onHost = (host: string) => ({ host, binary: 'nova-compute' });
const state = async (host: string) => (await hostStates(database.knex, [host], 'nova'))[0];

async function aServerOn(host: string): Promise<string> {
  await someFlavors(services, {});
  const { serverUuids } = await createServers(services, aRequest());
  await database.knex.raw('update instances set host = :host, node = :host', { host });
  return serverUuids[0]!;
}

test('services are listed with zone and life, all or those of a host or binary', async () => {
  expect((await list()).map(({ host, binary, up, availabilityZone }) => [host, binary, up, availabilityZone])).toEqual([
    ['h1', 'nova-compute', true, 'nova'],
    ['h2', 'nova-compute', true, 'nova'],
    ['h3', 'nova-compute', true, 'nova'],
    ['c1', 'nova-scheduler', false, 'internal'],
  ]);
  expect((await list({ binary: 'nova-scheduler' })).map((service) => service.host)).toEqual(['c1']);
  expect((await list({ host: 'h2' })).map((service) => service.updatedAt)).toEqual([expect.stringMatching(/\.\d{6}Z$/)]);
});

test('disabling takes a reason, enabling forgets it, and schedulers are told', async () => {
  const [service] = await list();
  services.touched.length = 0;
  expect(await update({ uuid: service!.uuid }, { disabled: true, disabledReason: 'disk' })).toMatchObject({
    disabled: true,
    disabledReason: 'disk',
  });
  expect(await state('h1')).toMatchObject({ enabled: false });
  expect(await update(onHost('h1'), { disabled: false })).toMatchObject({ disabled: false, disabledReason: null });
  expect(await state('h1')).toMatchObject({ enabled: true });
  expect(services.touched).toEqual(['h1', 'h1']);
});

test('a host that is no longer forced down is up at once if it is heard, and has nothing to remove first', async () => {
  await update(onHost('h1'), { forcedDown: true });
  const { revision: down } = (await state('h1'))!;
  expect(await update(onHost('h1'), { forcedDown: false })).toMatchObject({ up: true });
  expect(await state('h1')).toMatchObject({ up: true });
  expect((await state('h1'))!.revision).toBeGreaterThan(down);

  await update(onHost('h2'), { forcedDown: true });
  await database.knex.raw(`update services set last_seen_at = kilonova_now() - interval '1 day' where host = 'h2'`);
  expect(await update(onHost('h2'), { forcedDown: false })).toMatchObject({ up: false });
  expect(await state('h2')).toMatchObject({ up: false });

  await aServerOn('h1');
  await update(onHost('h3'), { forcedDown: true });
  await database.knex.raw(
    `insert into server_migrations (uuid, instance_uuid, project_id, user_id, request_id, type, status, source_host, source_generation,
       old_flavor, new_flavor, old_vm_state) select gen_random_uuid(), uuid, 'p', 'u', 'r', 'evacuation', 'done', 'h3', 1, '{}', '{}', 'active' from instances`,
  );
  await update(onHost('h3'), { forcedDown: false });
  expect(await state('h3')).toMatchObject({ up: false });
});

test('a host that is forced down is down at once', async () => {
  expect(await update(onHost('h1'), { forcedDown: true })).toMatchObject({ forcedDown: true, up: false });
  expect(await state('h1')).toMatchObject({ up: false });
});

test('only compute services are updated by uuid, and what is not there is not found', async () => {
  const scheduler = (await list()).find((service) => service.host === 'c1')!;
  await expect(update({ uuid: scheduler.uuid }, { disabled: true })).rejects.toMatchObject({
    code: 'InvalidInput',
    message: 'Updating a nova-scheduler service is not supported. Only nova-compute services can be updated.',
  });
  await expect(update(onHost('h9'), {})).rejects.toMatchObject({
    code: 'ServiceNotFound',
    message: 'Could not find binary nova-compute on host h9.',
  });
  for (const uuid of ['x', '7e8f5a0e-6a0f-4d59-b7c5-000000000000'])
    await expect(remove({ uuid })).rejects.toMatchObject({ code: 'ServiceNotFound', message: `Service ${uuid} could not be found.` });
});

test('a compute service with servers stays; without it goes with its host, and schedulers are told', async () => {
  await aServerOn('h1');
  const [first, second] = await list();
  await expect(remove({ uuid: first!.uuid })).rejects.toMatchObject({
    code: 'ServiceInUse',
    message: 'Unable to delete compute service that is hosting instances. Migrate or delete the instances first.',
  });
  services.touched.length = 0;
  await remove({ id: second!.id });
  expect(await state('h2')).toBeUndefined();
  expect(services.touched).toEqual(['h2']);
  expect((await list()).map((service) => service.host)).toEqual(['h1', 'h3', 'c1']);
});

describe('a host that holds leftovers of a server', () => {
  const rows = async (sql: string) => ((await database.knex.raw(sql)) as { rows: object[] }).rows;

  beforeEach(async () => {
    const instance_uuid = await aServerOn('h2');
    await database.knex('allocations').insert({ instance_uuid, host: 'h1', generation: 1, vcpus: 1, memory_mb: 1, disk_gb: 1 });
    await database.knex.raw(`update hosts set instances = 1, vcpus_used = 1, memory_mb_used = 1, disk_gb_used = 1 where host = 'h1'`);
    await database.knex('cleanups').insert({ instance_uuid, host: 'h1', generation: 1, request_id: 'r', reason: 'deadline' });
  });

  test('stays, and the refusal says how it is given up', async () => {
    await expect(remove(onHost('h1'))).rejects.toMatchObject({
      code: 'ServiceInUse',
      message:
        'Unable to delete compute service: what deleted or evacuated instances left on host h1 is still to be removed. ' +
        'If the host is gone for good, force its service down first.',
    });
    expect(await state('h1')).toBeDefined();
    expect(await rows('select 1 from cleanups')).toHaveLength(1);
  });

  test('goes with them when it is forced down', async () => {
    await update(onHost('h1'), { forcedDown: true });
    await remove(onHost('h1'));
    expect(await state('h1')).toBeUndefined();
    expect(await rows('select 1 from cleanups union all select 1 from allocations')).toEqual([]);
  });

  test('stays when a task has a claim on it, forced down or not', async () => {
    await database.knex('cleanups').delete();
    await update(onHost('h1'), { forcedDown: true });
    await expect(remove(onHost('h1'))).rejects.toMatchObject({
      code: 'ServiceInUse',
      message: 'Unable to delete compute service that has in-progress migrations. Complete the migrations or delete the instances first.',
    });
    expect(await rows('select 1 from allocations')).toHaveLength(1);
  });
});

test('hypervisors are paged by id, found by part of their name, and shown with their servers', async () => {
  const uuid = await aServerOn('h2');
  const page = async (changes: Partial<ListHypervisors>) =>
    collect(listHypervisors(services, Object.assign(new ListHypervisors(), { scope, limit: 10 }, changes)));
  const [one, two] = await page({});
  expect((await page({ marker: String(one!.id) })).map((hypervisor) => hypervisor.hostname)).toEqual(['h2', 'h3']);
  expect((await page({ marker: two!.uuid, limit: 1 })).map((hypervisor) => hypervisor.hostname)).toEqual(['h3']);
  for (const marker of ['0', 'x', '99999999999999']) await expect(page({ marker })).rejects.toMatchObject({ code: 'MarkerNotFound' });
  expect((await page({ hostnamePattern: '2' })).map((hypervisor) => hypervisor.hostname)).toEqual(['h2']);

  const shown = await getHypervisor(services, Object.assign(new HypervisorRef(), { scope, uuid: two!.uuid, withServers: true }));
  expect(shown).toMatchObject({
    hostname: 'h2',
    vcpus: 8,
    memoryMb: 16_384,
    servers: [{ uuid, name: 'web' }],
    service: { host: 'h2', up: true, updatedAt: expect.stringMatching(/\.\d{6}Z$/) },
  });
  for (const ref of [{ id: 0 }, { uuid: 'x' }])
    await expect(getHypervisor(services, Object.assign(new HypervisorRef(), { scope }, ref))).rejects.toMatchObject({
      code: 'HypervisorNotFound',
    });
});

test('schedulers read every host in pieces, or those they ask for', async () => {
  const pieces = [];
  for await (const piece of listHostStates(services, { hosts: null })) pieces.push(piece.map((host) => host.host));
  expect(pieces).toEqual([['h1', 'h2'], ['h3']]);
  expect((await collect(listHostStates(services, { hosts: ['h3', 'gone', 'h1'] }))).map((host) => host.host).toSorted()).toEqual([
    'h1',
    'h3',
  ]);
});
