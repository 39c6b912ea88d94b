import { HostRegistration } from '@kilonova/objects';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { hostStates } from '../db/host-states.ts';
import { markSilentHostsDown } from '../db/liveness.ts';
import { freshDatabase, type FreshDatabase } from '../testing/fresh-database.ts';
import { anInventory, testServices, type TestServices } from '../testing/services.ts';
import { Registrations } from './registrations.ts';

let database: FreshDatabase;
let services: TestServices;
let registrations: Registrations;
let rings = 0;

beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.close());
beforeEach(async () => {
  await database.knex.raw('truncate hosts, services, aggregates cascade');
  services = testServices(database);
  rings = 0;
  registrations = new Registrations(services, () => (rings += 1));
});

const names = Array.from({ length: 20 }, (_, index) => `h${index + 10}`);
const says = (host: string, changes: Partial<HostRegistration> = {}, deadline = Infinity) =>
  registrations.take(
    { caller: `compute.${host}`, deadline },
    Object.assign(new HostRegistration(), { host, node: host, version: '1.0', driver: 'fake', inventory: anInventory(), ...changes }),
  );
const state = async (host: string) => (await hostStates(database.knex, [host], 'nova'))[0]!;

async function statementsOf(act: () => Promise<unknown>): Promise<number> {
  let statements = 0;
  const count = () => (statements += 1);
  database.knex.on('query', count);
  try {
    await act();
  } finally {
    database.knex.removeListener('query', count);
  }
  return statements;
}

test('hosts that come back as they were are noted together, and are no news unless they were down', async () => {
  await Promise.all(names.map((host) => says(host)));
  expect(services.touched.toSorted()).toEqual(names);
  const before = await state('h10');
  await database.knex.raw(`update services set last_seen_at = last_seen_at - interval '2 minutes' where host in ('h10', 'h11')`);
  await markSilentHostsDown(database.knex, 60_000, 1);
  services.touched.length = 0;
  rings = 0;

  const all = () => statementsOf(() => Promise.all(names.map((host) => says(host))));
  expect(await all()).toBe(3 + 4); // compared, noted, and removals that wait for them; those that were down come up in a transaction
  expect(services.touched).toEqual(['h10']);
  expect(await state('h10')).toMatchObject({ up: true, revision: before.revision + 2 });
  expect(rings).toBe(1);
  expect(await markSilentHostsDown(database.knex, 60_000, 100)).toEqual([]);
  expect(await all()).toBe(3);
});

test.each([
  ['its inventory', { inventory: anInventory({ vcpus: 9 }) }],
  ['its capabilities', { inventory: anInventory({ capabilities: { gpu: true } }) }],
  ['its address', { inventory: anInventory({ hostIp: '192.0.2.1' }) }],
  ['its version', { version: '1.1' }],
  ['its driver', { driver: 'other' }],
])('a host that comes back with a change of %s is written, and told to schedulers', async (_what, changes) => {
  await Promise.all(names.map((host) => says(host)));
  services.touched.length = 0;
  await Promise.all(names.map((host) => says(host, host === 'h12' ? changes : {})));
  expect(services.touched).toEqual(['h12']);
  services.touched.length = 0;
  await says('h12', changes);
  expect(services.touched).toEqual([]);
});

test('what changed in the configuration or in aggregates is taken over when a host registers', async () => {
  await says('h10');
  await database.knex.raw(`
    with a as (insert into aggregates (uuid, name, metadata) values (gen_random_uuid(), 'slow', '{"cpu_allocation_ratio": "2"}') returning id)
    insert into aggregate_hosts (aggregate_id, host) select id, 'h10' from a`);
  await says('h10');
  expect(await state('h10')).toMatchObject({ cpuRatio: 2 });
});

test('one that is refused, or cannot be read, holds up nobody else', async () => {
  await Promise.all(names.map((host) => says(host)));
  const settled = await Promise.allSettled([
    says('h10', { node: 'h11' }),
    says('h12', { inventory: anInventory({ vcpus: -1 }) }),
    says('h13', { inventory: anInventory({ memoryMb: 'much' as unknown as number }) }),
    says('h14', { inventory: anInventory({ vcpus: 16 }) }),
    says('h15'),
  ]);
  expect(settled.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected', 'fulfilled', 'fulfilled']);
  expect(settled.slice(0, 2).map((one) => (one.status === 'rejected' ? (one.reason as { code: string }).code : ''))).toEqual([
    'Conflict',
    'InvalidInput',
  ]);
  expect(await state('h14')).toMatchObject({ vcpus: 16 });
});

test('an older number of inventories is forgotten with every registration', async () => {
  await says('h10');
  await database.knex.raw('update hosts set heartbeat_sequence = 7');
  await says('h10');
  expect(await database.knex('hosts').pluck('heartbeat_sequence')).toEqual([0]);
});

test('one whose deadline passed while it waited is not written: another process of the host may have registered since', async () => {
  await says('h10', { agent: 'second' });
  const late = says('h10', { agent: 'first' }, services.clock.now());
  await expect(late).rejects.toMatchObject({ code: 'DeadlineExceeded' });
  await says('h11', {}, services.clock.now() + 60_000);
  expect(await database.knex('hosts').orderBy('host').pluck('agent')).toEqual(['second', null]);
});
