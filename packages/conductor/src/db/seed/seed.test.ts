import { ListServers, ServerFilters } from '@kilonova/objects';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createServers } from '../../admission/create-servers.ts';
import { listServers } from '../../handlers/servers.ts';
import { freshDatabase, type FreshDatabase } from '../../testing/fresh-database.ts';
import { aRequest, aScope, collect, someFlavors, testServices } from '../../testing/services.ts';
import { inspectDatabase } from '../inspect.ts';
import { removeSeed, seedDatabase } from './seed.ts';

let database: FreshDatabase;
beforeEach(async () => {
  database = await freshDatabase();
});
afterEach(() => database.close());

const seed = (servers: number, projectIds: readonly string[] = ['demo']) =>
  seedDatabase(database.config, { servers, projectIds, userId: 'ann' });
const violations = async () => (await inspectDatabase(database.config)).violations;
const list = (projectId: string, limit: number) =>
  collect(
    listServers(
      testServices(database),
      Object.assign(new ListServers(), { scope: aScope({ projectId }), filters: new ServerFilters(), limit }),
    ),
  );
const rowsIn = async (table: string) => (await database.knex(table).count<{ count: number }[]>())[0]!.count;

test('seeded servers are listed as others are, and every invariant holds', async () => {
  const told: number[] = [];
  const seeded = await seedDatabase(database.config, {
    ...{ servers: 5_120, projectIds: ['demo', 'other'], userId: 'ann' },
    onProgress: (servers) => told.push(servers),
  });
  expect(seeded).toEqual({ servers: 5_120, total: 5_120 });
  expect(told).toEqual([5_000, 5_120]);
  expect(await violations()).toEqual([]);
  const servers = await list('demo', 1_000);
  expect(servers).toHaveLength(1_000);
  expect(new Set(servers.map(({ vmState }) => vmState))).toEqual(new Set(['active', 'stopped', 'error']));
  for (const { vmState, fault } of servers) expect(fault !== null).toBe(vmState === 'error');
});

test('more are added to what was seeded before', async () => {
  await seed(30);
  expect(await seed(90)).toEqual({ servers: 90, total: 120 });
  expect(await list('demo', 1_000)).toHaveLength(120);
  expect(await violations()).toEqual([]);
});

test('a database with servers that were not seeded is refused, and stays as it is', async () => {
  const services = testServices(database);
  await someFlavors(services, {});
  await createServers(services, aRequest());
  await expect(seed(10)).rejects.toThrow('the database holds servers that were not seeded');
  expect(await rowsIn('instances')).toBe(1);
});

test('removing takes the seeded servers and their hosts, and nothing else', async () => {
  await seed(150);
  const services = testServices(database, { quota: { instances: -1, cores: -1, ram: -1 } });
  await someFlavors(services, {});
  await createServers(services, aRequest());
  expect(await removeSeed(database.config)).toBe(150);
  for (const table of ['hosts', 'services', 'allocations', 'instance_faults']) expect(await rowsIn(table), table).toBe(0);
  expect(await list('demo', 10)).toHaveLength(1);
  expect((await violations()).filter(({ invariant }) => invariant !== 'tasks_are_at_work')).toEqual([]);
});
