import { ListServers, ServerFilters } from '@kilonova/objects';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createServers } from '../admission/create-servers.ts';
import { listServerRevisions, listServers } from '../handlers/servers.ts';
import { freshDatabase, type FreshDatabase } from '../testing/fresh-database.ts';
import { aHost, aRequest, aScope, collect, someFlavors, testServices, type TestServices } from '../testing/services.ts';

let database: FreshDatabase;
let services: TestServices;

/** `placed` runs on a host, `failed` never did and has a fault, `other` is never touched. */
beforeAll(async () => {
  database = await freshDatabase();
  services = testServices(database, {});
  await someFlavors(services, {});
  await aHost(services, 'h1');
  for (const name of ['placed', 'failed', 'other']) await createServers(services, aRequest({ name }));
  await database.knex.raw(`update instances set host = 'h1', node = 'h1', vm_state = 'active', task_state = null where name = 'placed'`);
  await database.knex.raw(`update instances set vm_state = 'error', task_state = null where name = 'failed'`);
  await addFault();
});
afterAll(() => database.close());

const addFault = () =>
  database.knex.raw(
    `insert into instance_faults (instance_uuid, code, message, details) select uuid, 500, 'broken', '' from instances where vm_state = 'error'`,
  );
const asked = () => Object.assign(new ListServers(), { scope: aScope(), filters: new ServerFilters(), limit: 1000 });
const revisions = async () =>
  new Map((await collect(listServerRevisions(services, asked()))).map(({ uuid, revision }) => [uuid, revision]));
const shown = async () =>
  new Map((await collect(listServers(services, Object.assign(asked(), { revised: true })))).map((server) => [server.uuid, server]));

test('a list of servers says the revisions that a list of revisions says, in the same order, and says them again', async () => {
  const said = [...(await revisions())];
  expect(said).toHaveLength(3);
  expect([...(await shown()).values()].map(({ uuid, revision }) => [uuid, revision])).toEqual(said);
  expect([...(await revisions())]).toEqual(said);
});

test.each([
  ['its own row', () => database.knex.raw(`update instances set description = 'new' where name = 'placed'`)],
  ['its own row without the time of it', () => database.knex.raw(`update instances set progress = 50 where name = 'placed'`)],
  ['the service of its host is disabled', () => database.knex.raw(`update services set disabled = true where host = 'h1'`)],
  ['it is forced down', () => database.knex.raw(`update services set forced_down = true where host = 'h1'`)],
  ['it is gone', () => database.knex.raw(`delete from services where host = 'h1'`)],
  [
    'its host comes into a zone',
    async () => {
      const { rows } = await database.knex.raw<{ rows: { id: number }[] }>(
        `insert into aggregates (uuid, name, availability_zone) values (gen_random_uuid(), 'a', 'east') returning id`,
      );
      await database.knex.raw('insert into aggregate_hosts (aggregate_id, host) values (?, ?)', [rows[0]!.id, 'h1']);
    },
  ],
  ['the zone of its host is named anew', () => database.knex.raw(`update aggregates set availability_zone = 'west' where name = 'a'`)],
  ['a fault is added', addFault],
])('whatever a server shows is another, so is its revision: %s', async (_what, change) => {
  const [before, had] = [await shown(), await revisions()];
  await change();
  const [after, has] = [await shown(), await revisions()];
  const changed = [...after.values()].filter(({ uuid }) => has.get(uuid) !== had.get(uuid)).map(({ name }) => name);
  expect(changed).toEqual([_what === 'a fault is added' ? 'failed' : 'placed']);
  const untouched = [...after.values()].filter(({ name }) => name === 'other');
  expect(untouched.map(({ uuid }) => before.get(uuid))).toEqual(untouched);
});
