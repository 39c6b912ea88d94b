import { HostHeartbeat, ServiceHeartbeat } from '@kilonova/objects';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { touchHosts } from '../db/host-capacity.ts';
import { hostDigest, hostStates } from '../db/host-states.ts';
import { forgetSilentServices, markSilentHostsDown } from '../db/liveness.ts';
import { freshDatabase, type FreshDatabase } from '../testing/fresh-database.ts';
import { aHost, anInventory, testServices, type TestServices } from '../testing/services.ts';
import { Heartbeats } from './heartbeats.ts';
import { register } from './registration.ts';

let database: FreshDatabase;
let services: TestServices;

beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.close());
beforeEach(async () => {
  await database.knex.raw('truncate hosts, services, aggregates cascade');
  services = testServices(database);
});

const state = async (host: string) => (await hostStates(database.knex, [host], 'nova'))[0]!;
const silence = (host: string) =>
  database.knex.raw(`update services set last_seen_at = last_seen_at - interval '2 minutes' where host = ?`, [host]);
const beat = (host: string, changes: Partial<HostHeartbeat> = {}) => Object.assign(new HostHeartbeat(), { host, sequence: 1 }, changes);

test('a host that registers is there with what it has, up and told to schedulers', async () => {
  await aHost(services, 'h1', {
    vcpus: 8,
    reservedVcpus: 1,
    memoryMb: 1000,
    reservedMemoryMb: 488,
    supportedInstances: [['x86_64', 'fake', 'hvm']],
  });
  expect(await state('h1')).toMatchObject({
    host: 'h1',
    enabled: true,
    up: true,
    vcpus: 8,
    cpuRatio: 4,
    supportedInstances: [['x86_64', 'fake', 'hvm']],
    aggregates: [],
  });
  expect(await database.knex('hosts').select('vcpus_limit', 'memory_mb_limit')).toEqual([{ vcpus_limit: 28, memory_mb_limit: 512 }]);
  expect(services.touched).toEqual(['h1']);
});

test('registering again keeps what is claimed, also of an inventory that became too small for it', async () => {
  await aHost(services, 'h1', { vcpus: 8 });
  await database.knex.raw('update hosts set vcpus_used = 20');
  await aHost(services, 'h1', { vcpus: 1 });
  expect(await database.knex('hosts').select('vcpus_used', 'vcpus_limit')).toEqual([{ vcpus_used: 20, vcpus_limit: 20 }]);
  await expect(database.knex.raw('update hosts set vcpus_used = 21')).rejects.toMatchObject({ constraint: 'hosts_vcpus_claimed' });
});

test('a host speaks for itself only, and a node belongs to one host', async () => {
  const strict = testServices(database, { conductor: { enforceHostAccounts: true } });
  await expect(register(strict, { caller: 'compute.h2' }, { ...aRegistration('h1') })).rejects.toMatchObject({ code: 'NotAuthorized' });
  const heartbeats = new Heartbeats(strict);
  expect(() => heartbeats.noteHost({ caller: 'compute.h2' }, beat('h1'))).toThrowError(expect.objectContaining({ code: 'NotAuthorized' }));
  await register(strict, { caller: 'compute.h1' }, aRegistration('h1'));
  await expect(register(strict, { caller: 'compute.h2' }, { ...aRegistration('h2'), node: 'h1' })).rejects.toMatchObject({
    code: 'Conflict',
  });
  await expect(register(services, { caller: '' }, aRegistration('a.#'))).rejects.toMatchObject({ code: 'InvalidInput' });
});

const aRegistration = (host: string) => ({
  ...{ host, node: host, cell: 'cell1', version: '1.0', driver: 'fake', agent: '', inventory: anInventory() },
});

test('a silent host is marked down once, by one of many that look, and comes up with its next heartbeat', async () => {
  for (const host of ['h1', 'h2', 'h3']) await aHost(services, host);
  await silence('h1');
  await silence('h2');
  const before = await state('h1');
  const found = await Promise.all(Array.from({ length: 6 }, () => markSilentHostsDown(database.knex, 60_000, 100)));
  expect(found.flat().toSorted()).toEqual(['h1', 'h2']);
  expect(await state('h1')).toMatchObject({ up: false, revision: before.revision + 1 });
  expect(await state('h3')).toMatchObject({ up: true });

  services.touched.length = 0;
  const heartbeats = new Heartbeats(services);
  for (const host of ['h1', 'h3', 'stranger']) heartbeats.noteHost({ caller: '' }, beat(host));
  await heartbeats.stop();
  expect(await state('h1')).toMatchObject({ up: true, revision: before.revision + 2 });
  expect(services.touched).toEqual(['h1']);
});

test('a host that was forced down stays down whatever it says', async () => {
  await aHost(services, 'h1');
  await database.knex.raw('update services set forced_down = true');
  expect(await markSilentHostsDown(database.knex, 60_000, 100)).toEqual(['h1']);
  const heartbeats = new Heartbeats(services);
  heartbeats.noteHost({ caller: '' }, beat('h1'));
  await heartbeats.stop();
  await aHost(services, 'h1');
  expect(await state('h1')).toMatchObject({ up: false });
});

test('heartbeats of many hosts are one statement, and an older inventory is ignored', async () => {
  const names = Array.from({ length: 20 }, (_, index) => `h${index}`);
  for (const host of names) await aHost(services, host);
  const heartbeats = new Heartbeats(services);
  let statements = 0;
  database.knex.on('query', () => (statements += 1));
  for (const host of names) heartbeats.noteHost({ caller: '' }, beat(host));
  await heartbeats.stop();
  database.knex.removeAllListeners('query');
  expect(statements).toBe(1);

  for (const [sequence, vcpus] of [
    [7, 16],
    [5, 2],
  ] as const) {
    const late = new Heartbeats(services);
    late.noteHost({ caller: '' }, beat('h0', { sequence, inventory: anInventory({ vcpus }) }));
    await late.stop();
  }
  expect(await state('h0')).toMatchObject({ vcpus: 16 });
});

test('services of the control plane appear with their heartbeats and are forgotten when they are silent for long', async () => {
  const heartbeats = new Heartbeats(services);
  for (const version of ['1.0', '1.1'])
    heartbeats.noteService(Object.assign(new ServiceHeartbeat(), { binary: 'nova-scheduler', host: 's1', version }));
  await heartbeats.stop();
  await aHost(services, 'h1');
  expect(await database.knex('services').where({ host: 's1' }).pluck('version')).toEqual(['1.1']);
  await database.knex.raw(`update services set last_seen_at = last_seen_at - interval '2 days'`);
  expect(await forgetSilentServices(database.knex, 24, 100)).toBe(1);
  expect(await database.knex('services').pluck('host')).toEqual(['h1']);
});

test('the digest changes with every touch', async () => {
  await aHost(services, 'h1');
  const before = await hostDigest(database.knex);
  await database.knex.transaction((trx) => touchHosts(trx, ['h1'], services.config.conductor));
  expect(await hostDigest(database.knex)).toEqual({ hosts: 1, revisions: before.revisions + 1 });
});

test('an inventory that cannot be is refused, and holds up nobody else', async () => {
  await expect(aHost(services, 'h1', { vcpus: -1 })).rejects.toMatchObject({
    code: 'InvalidInput',
    message: expect.stringContaining('inventory of host h1'),
  });
  for (const host of ['h1', 'h2']) await aHost(services, host);
  const heartbeats = new Heartbeats(services);
  heartbeats.noteHost({ caller: '' }, beat('h1', { inventory: anInventory({ vcpus: -5 }) }));
  heartbeats.noteHost({ caller: '' }, beat('h2', { inventory: anInventory({ vcpus: 5 }) }));
  expect(() => heartbeats.noteHost({ caller: '' }, beat('h\0'))).toThrowError(expect.objectContaining({ code: 'InvalidInput' }));
  await heartbeats.stop();
  expect([(await state('h1')).vcpus, (await state('h2')).vcpus]).toEqual([8, 5]);
});
