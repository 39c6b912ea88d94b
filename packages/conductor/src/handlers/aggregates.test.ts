import { ListZones, type Aggregate } from '@kilonova/objects';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createServers } from '../admission/create-servers.ts';
import { hostStates } from '../db/host-states.ts';
import { freshDatabase, type FreshDatabase } from '../testing/fresh-database.ts';
import { aHost, anAdmin, aRequest, collect, someFlavors, testServices, type TestServices } from '../testing/services.ts';
import * as aggregates from './aggregates.ts';
import { listZones } from './hosts.ts';

let database: FreshDatabase;
let services: TestServices;
const scope = anAdmin();

beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.close());
beforeEach(async () => {
  await database.knex.raw('truncate instances, aggregates, hosts, services, flavors, quota_usages, tasks, idempotency_keys cascade');
  services = testServices(database);
  for (const host of ['h1', 'h2']) await aHost(services, host);
});

const create = (name: string, availabilityZone: string | null = null) =>
  aggregates.createAggregate(services, { scope, name, availabilityZone });
const add = ({ id }: Aggregate, host: string) => aggregates.changeAggregateHost(services, { scope, id, host, member: true });
const remove = ({ id }: Aggregate, host: string) => aggregates.changeAggregateHost(services, { scope, id, host, member: false });
const set = ({ id }: Aggregate, metadata: Record<string, string | null>) =>
  aggregates.setAggregateMetadata(services, { scope, id, metadata });
const update = ({ id }: Aggregate, changes: { name?: string; availabilityZone?: string | null }) =>
  aggregates.updateAggregate(services, { scope, id, changes });
const state = async (host: string) => (await hostStates(database.knex, [host], 'nova'))[0]!;

async function aServerOn(host: string): Promise<void> {
  await someFlavors(services, {});
  await createServers(services, aRequest());
  await database.knex.raw(`update instances set host = :host, node = :host`, { host });
}

test('an aggregate with a zone puts its hosts into it, out again when they leave, and schedulers are told', async () => {
  const zoned = await create('a', 'test-az');
  const before = await state('h1');
  services.touched.length = 0;
  expect((await add(zoned, 'h1')).hosts).toEqual(['h1']);
  const after = await state('h1');
  expect(after).toMatchObject({ availabilityZone: 'test-az', aggregates: [{ name: 'a', metadata: { availability_zone: 'test-az' } }] });
  expect(after.revision).toBeGreaterThan(before.revision);
  expect(services.touched).toEqual(['h1']);
  await remove(zoned, 'h1');
  expect((await state('h1')).availabilityZone).toBe('nova');
});

test('metadata is added, replaced and removed by null; the zone stands in its own field', async () => {
  const aggregate = await create('a');
  expect(await set(aggregate, { ssd: 'true', gone: 'x' })).toMatchObject({ metadata: { ssd: 'true', gone: 'x' }, availabilityZone: null });
  expect(await set(aggregate, { gone: null, availability_zone: 'z' })).toMatchObject({ metadata: { ssd: 'true' }, availabilityZone: 'z' });
  expect(await set(aggregate, { availability_zone: null })).toMatchObject({ metadata: { ssd: 'true' }, availabilityZone: null });
});

test('a host cannot be in two zones, whichever call would lead there', async () => {
  const one = await create('one', 'az-1');
  const two = await create('two', 'az-2');
  const plain = await create('plain');
  await add(one, 'h1');
  await expect(add(two, 'h1')).rejects.toMatchObject({
    code: 'HostInOtherZone',
    message: `Cannot add host to aggregate ${two.id}. Reason: One or more hosts already in availability zone(s) ['az-1'].`,
  });
  await add(plain, 'h1');
  await expect(set(plain, { availability_zone: 'az-2' })).rejects.toMatchObject({
    code: 'ZoneInUse',
    message: `Cannot update metadata of aggregate ${plain.id}. Reason: One or more hosts already in availability zone(s) ['az-1'].`,
  });
  await expect(update(plain, { availabilityZone: 'az-2' })).rejects.toMatchObject({
    code: 'ZoneInUse',
    message: expect.stringContaining('Cannot update aggregate'),
  });
  expect(await update(plain, { availabilityZone: 'az-1' })).toMatchObject({ availabilityZone: 'az-1' });
});

test('two requests at the same time do not put a host into two zones', async () => {
  const zones = await Promise.all(['az-1', 'az-2', 'az-3'].map((zone) => create(zone, zone)));
  const outcomes = await Promise.allSettled(zones.map((zone) => add(zone, 'h1')));
  expect(outcomes.filter((outcome) => outcome.status === 'fulfilled')).toHaveLength(1);
  expect((await state('h1')).aggregates).toHaveLength(1);
});

test('the zone of a host with servers cannot be changed from under them', async () => {
  const zoned = await create('a', 'az-1');
  const other = await create('b', 'az-2');
  await add(zoned, 'h1');
  await aServerOn('h1');
  await expect(remove(zoned, 'h1')).rejects.toMatchObject({ code: 'HostHasServers' });
  await expect(set(zoned, { availability_zone: 'az-9' })).rejects.toMatchObject({ code: 'ZoneInUse' });
  await expect(update(zoned, { availabilityZone: null })).rejects.toMatchObject({ code: 'ZoneInUse' });
  expect(await set(zoned, { ssd: 'true', availability_zone: 'az-1' })).toMatchObject({ metadata: { ssd: 'true' } });
  expect(await update(zoned, { name: 'renamed' })).toMatchObject({ name: 'renamed' });
  await add(other, 'h2');
  await database.knex.raw(`update instances set host = 'h2', node = 'h2'`);
  await remove(zoned, 'h1');
});

test('a host with servers cannot be added to a zone that would move them', async () => {
  await aServerOn('h1');
  await expect(add(await create('a', 'az-1'), 'h1')).rejects.toMatchObject({ code: 'HostHasServers' });
  await add(await create('plain'), 'h1');
});

test('names are unique, members are members once, and what is not there is not found', async () => {
  const aggregate = await create('a');
  await create('b');
  await expect(create('a')).rejects.toMatchObject({ code: 'AggregateExists', message: 'Aggregate a already exists.' });
  await expect(update(aggregate, { name: 'b' })).rejects.toMatchObject({ code: 'AggregateExists' });
  await add(aggregate, 'h1');
  await expect(add(aggregate, 'h1')).rejects.toMatchObject({
    code: 'AggregateHostExists',
    message: `Aggregate ${aggregate.id} already has host h1.`,
  });
  await expect(add(aggregate, 'h9')).rejects.toMatchObject({ code: 'HostNotFound', message: 'Compute host h9 could not be found.' });
  await expect(remove(aggregate, 'h2')).rejects.toMatchObject({
    code: 'HostNotFound',
    message: `Aggregate ${aggregate.id} has no host h2.`,
  });
  for (const id of [9_999, 99_999_999_999])
    await expect(aggregates.getAggregate(services, { scope, id })).rejects.toMatchObject({
      code: 'AggregateNotFound',
      message: `Aggregate ${id} could not be found.`,
    });
});

test('an aggregate with hosts is not deleted', async () => {
  const aggregate = await create('a');
  await add(aggregate, 'h1');
  await expect(aggregates.deleteAggregate(services, { scope, id: aggregate.id })).rejects.toMatchObject({
    code: 'AggregateNotEmpty',
    message: `Cannot remove host from aggregate ${aggregate.id}. Reason: Host aggregate is not empty.`,
  });
  await remove(aggregate, 'h1');
  await aggregates.deleteAggregate(services, { scope, id: aggregate.id });
  expect(await collect(aggregates.listAggregates(services, { scope }))).toEqual([]);
});

test("an aggregate's ratio is over the configured one, the smallest of several, and what may be claimed follows", async () => {
  const one = await create('one');
  const two = await create('two');
  await set(one, { cpu_allocation_ratio: '2.5', ram_allocation_ratio: 'much' });
  await add(one, 'h1');
  expect(await state('h1')).toMatchObject({ cpuRatio: 2.5, memoryRatio: 1 });
  await add(two, 'h1');
  await set(two, { cpu_allocation_ratio: '1.5' });
  expect(await state('h1')).toMatchObject({ cpuRatio: 1.5 });
  expect(await database.knex('hosts').where({ host: 'h1' }).pluck('vcpus_limit')).toEqual([12]);
  await set(two, { cpu_allocation_ratio: '0' });
  await remove(one, 'h1');
  expect(await state('h1')).toMatchObject({ cpuRatio: 4 });
});

test('zones are those of hosts; a zone without an enabled host is not available; the control plane has its own in detail', async () => {
  await add(await create('a', 'az-1'), 'h1');
  await database.knex.raw(`update services set disabled = true where host = 'h2'`);
  await database.knex('services').insert({ uuid: services.random.uuid(), binary: 'nova-scheduler', host: 'c1', version: '1.0' });
  const zones = (withServices: boolean) => collect(listZones(services, Object.assign(new ListZones(), { scope, withServices })));
  expect((await zones(false)).map(({ name, available }) => ({ name, available }))).toEqual([
    { name: 'az-1', available: true },
    { name: 'nova', available: false },
  ]);
  expect((await zones(true)).map(({ name, services: inZone }) => [name, inZone.map((service) => service.host)])).toEqual([
    ['az-1', ['h1']],
    ['internal', ['c1']],
    ['nova', ['h2']],
  ]);
});
