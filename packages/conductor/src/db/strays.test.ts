import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createServers } from '../admission/create-servers.ts';
import { freshDatabase, type FreshDatabase } from '../testing/fresh-database.ts';
import { aHost, aRequest, someFlavors, testServices, type TestServices } from '../testing/services.ts';
import { findStrays, type Standing } from './strays.ts';

let database: FreshDatabase;
let services: TestServices;
let uuid: string;

beforeAll(async () => {
  database = await freshDatabase();
  services = testServices(database);
  await aHost(services, 'h1');
  await someFlavors(services, {});
  [uuid] = (await createServers(services, aRequest())).serverUuids as [string];
  // An operator said that it is on a host to which no move went, so that nothing else speaks for the sides of the moves.
  await database.knex.raw(
    `update instances set host = 'adopter', node = 'adopter', generation = 9, last_generation = 9, vm_state = 'active'`,
  );
});
afterAll(() => database.close());
beforeEach(async () => {
  await database.knex.raw('truncate server_migrations');
});

/** A host and a generation: `h1/1`. */
type Side = `${string}/${number}`;
const partsOf = (side: Side) => side.split('/') as [string, string];

async function moved(type: string, status: string, from: Side, to: Side | null): Promise<void> {
  const [source, sourceGeneration] = partsOf(from);
  const [dest, destGeneration] = to === null ? [null, null] : partsOf(to);
  await database.knex.raw(
    `insert into server_migrations (uuid, instance_uuid, project_id, user_id, request_id, type, status, source_host, source_generation,
       dest_host, dest_generation, old_flavor, new_flavor, old_vm_state)
     values (:id, :uuid, 'demo', 'ann', 'r', :type, :status, :source, :sourceGeneration, :dest, :destGeneration, '{}', '{}', 'active')`,
    { id: services.random.uuid(), uuid, type, status, source, sourceGeneration, dest, destGeneration },
  );
}

async function standingOf(side: Side): Promise<Standing | undefined> {
  const [host, generation] = partsOf(side);
  return (await findStrays(database.knex, host, [{ uuid, generation: Number(generation), power: 1 }]))[0]?.standing;
}

test.each([
  { type: 'live-migration', status: 'completed' },
  { type: 'resize', status: 'confirmed' },
  { type: 'evacuation', status: 'done' },
  { type: 'evacuation', status: 'completed' },
])('a $type that ended as $status released what the source had, and nothing of the destination', async ({ type, status }) => {
  await moved(type, status, 'h1/1', 'h2/2');
  expect([await standingOf('h1/1'), await standingOf('h2/2')]).toEqual(['released', 'outdated']);
});

test.each([
  { type: 'migration', status: 'error', from: 'h1/1' },
  { type: 'live-migration', status: 'cancelled', from: 'h1/1' },
  { type: 'evacuation', status: 'error', from: 'h1/1' },
  // The source has it back under a generation above the destination's.
  { type: 'resize', status: 'reverted', from: 'h1/3' },
] as const)(
  'a $type that ended as $status released what the destination had, and nothing of the source',
  async ({ type, status, from }) => {
    await moved(type, status, from, 'h2/2');
    expect([await standingOf(from), await standingOf('h2/2')]).toEqual(['outdated', 'released']);
  },
);

test('a resize that waited for its confirmation and ended as error for the next move released the source', async () => {
  await moved('resize', 'error', 'h1/1', 'h2/2');
  await moved('evacuation', 'error', 'h2/2', 'h3/3');
  expect(await Promise.all((['h1/1', 'h2/2', 'h3/3'] as const).map(standingOf))).toEqual(['released', 'outdated', 'released']);
});

test.each(['confirmed', 'reverted', 'error'])('a resize that stayed on its host and ended as %s released nothing there', async (status) => {
  await moved('resize', status, 'h1/1', 'h1/2');
  expect([await standingOf('h1/1'), await standingOf('h1/2')]).toEqual(['outdated', 'outdated']);
});

test.each([
  { title: 'that is under way', status: 'running', to: 'h2/2' as const },
  { title: 'that never had a destination', status: 'cancelled', to: null },
])('a move $title released nothing', async ({ status, to }) => {
  await moved('live-migration', status, 'h1/1', to);
  expect([await standingOf('h1/1'), await standingOf('h2/2')]).toEqual(['outdated', 'outdated']);
});
