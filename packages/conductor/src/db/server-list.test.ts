import { ListServers, ServerFilters, type Server, type ServerName } from '@kilonova/objects';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createServers } from '../admission/create-servers.ts';
import { listServerNames, listServers } from '../handlers/servers.ts';
import { freshDatabase, type FreshDatabase } from '../testing/fresh-database.ts';
import { aHost, anAdmin, aRequest, aScope, collect, someFlavors, testServices, type TestServices } from '../testing/services.ts';

let database: FreshDatabase;
let services: TestServices;

/** Twelve servers of one request: equal times, every third without a description, half of them on a host. */
beforeAll(async () => {
  database = await freshDatabase();
  services = testServices(database, { quota: { instances: -1, cores: -1, ram: -1 } });
  await someFlavors(services, {});
  await aHost(services, 'h1');
  await createServers(services, aRequest({ minCount: 12, maxCount: 12, metadata: { tier: 'web' } }));
  await createServers(services, aRequest({ name: 'foreign', scope: aScope({ projectId: 'other' }) }));
  await database.knex.raw(
    `update instances set description = case launch_index % 3 when 0 then null else 'd' || launch_index % 2 end, locked = launch_index < 2`,
  );
  await database.knex.raw(
    `update instances set host = 'h1', node = 'h1', vm_state = 'active', task_state = null, tags = '{blue,big}' where launch_index >= 6`,
  );
});
afterAll(() => database.close());

const filters = (changes: Partial<ServerFilters> = {}) => Object.assign(new ServerFilters(), changes);
const asked = (changes: Partial<ListServers> = {}) =>
  Object.assign(new ListServers(), { scope: aScope(), filters: filters(), limit: 1000 }, changes);
const list = (changes: Partial<ListServers> = {}): Promise<Server[]> => collect(listServers(services, asked(changes)));
const matching = async (changes: Partial<ServerFilters>) =>
  (await list({ filters: filters(changes) })).map((server) => server.launchIndex).toSorted((a, b) => a - b);

test.each([
  { sortKeys: [], sortDirections: [] },
  { sortKeys: ['created_at'], sortDirections: ['asc'] },
  { sortKeys: ['display_description'], sortDirections: ['asc'] },
  { sortKeys: ['display_description'], sortDirections: ['desc'] },
  { sortKeys: ['locked', 'display_description', 'created_at'], sortDirections: ['asc', 'desc'] },
  { sortKeys: ['availability_zone', 'task_state', 'locked_by'], sortDirections: ['desc', 'asc'] },
  { sortKeys: ['auto_disk_config', 'locked'], sortDirections: ['desc', 'asc'] },
  { sortKeys: ['locked'], sortDirections: ['asc'] },
  { sortKeys: ['host'], sortDirections: ['desc'] },
  { sortKeys: ['node', 'display_description'], sortDirections: ['asc', 'asc'] },
  { sortKeys: ['launch_index'], sortDirections: ['asc'] },
  { sortKeys: ['power_state', 'created_at'], sortDirections: ['asc', 'desc'] },
  { sortKeys: ['vm_state'], sortDirections: ['desc'] },
  { sortKeys: ['project_id'], sortDirections: ['asc'] },
])('pages by $sortKeys $sortDirections show every server once, in the order of the whole list', async (sort) => {
  const whole = (await list(sort)).map((server) => server.uuid);
  expect(new Set(whole).size).toBe(12);
  const paged: string[] = [];
  for (let marker: string | null = null, rounds = 0; rounds < 10; rounds += 1) {
    const page: readonly ServerName[] = await collect(listServerNames(services, asked({ ...sort, marker, limit: 5 })));
    paged.push(...page.map((server) => server.uuid));
    if (page.length < 5) break;
    marker = page.at(-1)!.uuid;
  }
  expect(paged).toEqual(whole);
});

test('nulls sort as the greatest', async () => {
  const descriptions = (await list({ sortKeys: ['display_description'], sortDirections: ['asc'] })).map((server) => server.description);
  expect(descriptions).toEqual([...Array(4).fill('d0'), ...Array(4).fill('d1'), ...Array(4).fill(null)]);
});

test.each(['7e8f5a0e-6a0f-4d59-b7c5-000000000000', 'no uuid'])('an unknown marker %s is refused', async (marker) => {
  await expect(list({ marker })).rejects.toMatchObject({ code: 'MarkerNotFound', message: `marker [${marker}] not found` });
});

test('a server of another project is no marker, and not in the list of those who see one project', async () => {
  const [foreign] = await list({ scope: anAdmin(), filters: filters({ name: 'foreign' }) });
  expect(foreign?.projectId).toBe('other');
  await expect(list({ marker: foreign!.uuid })).rejects.toMatchObject({ code: 'MarkerNotFound' });
  expect(await list({ scope: anAdmin() })).toHaveLength(13);
});

const all = Array.from({ length: 12 }, (_, index) => index);
const upTo = (end: number) => all.slice(0, end);
const from = (start: number) => all.slice(start);

test.each<{ title: string; given: Partial<ServerFilters>; expected: readonly number[] }>([
  { title: 'a name is a regular expression', given: { name: '^web-1[0-2]$' }, expected: [9, 10, 11] },
  { title: 'a status stands for states', given: { statuses: ['active'] }, expected: from(6) },
  { title: 'one of several statuses', given: { statuses: ['BUILD', 'ERROR'] }, expected: upTo(6) },
  { title: 'an unknown status matches nothing', given: { statuses: ['NONSENSE'] }, expected: [] },
  { title: 'no task state', given: { taskStates: [null] }, expected: from(6) },
  { title: 'no task state or one', given: { taskStates: [null, 'scheduling'] }, expected: all },
  { title: 'a host', given: { hosts: ['h1'] }, expected: from(6) },
  { title: 'the zone of the host', given: { availabilityZones: ['nova'] }, expected: from(6) },
  { title: 'launch indexes', given: { launchIndexes: [3, 4] }, expected: [3, 4] },
  { title: 'locked', given: { locked: true }, expected: [0, 1] },
  { title: 'metadata', given: { metadata: { tier: 'web' } }, expected: all },
  { title: 'other metadata', given: { metadata: { tier: 'db' } }, expected: [] },
  { title: 'all tags', given: { tags: ['blue', 'big'] }, expected: from(6) },
  { title: 'any tag', given: { tagsAny: ['blue', 'red'] }, expected: from(6) },
  { title: 'not all tags', given: { notTags: ['blue', 'red'] }, expected: all },
  { title: 'none of the tags', given: { notTagsAny: ['blue', 'red'] }, expected: upTo(6) },
  { title: 'a uuid that is none', given: { uuids: ['x'] }, expected: [] },
  { title: 'flavors', given: { flavorIds: ['1'] }, expected: all },
  { title: 'power states', given: { powerStates: [1] }, expected: [] },
  { title: 'config drive', given: { configDrive: false }, expected: all },
  { title: 'disk config', given: { diskConfig: 'AUTO' }, expected: [] },
  { title: 'changes since a time to come', given: { changesSince: '2999-01-01T00:00:00Z' }, expected: [] },
  { title: 'changes before a time to come', given: { changesBefore: '2999-01-01T00:00:00Z' }, expected: all },
  { title: 'nothing', given: { nothing: true }, expected: [] },
])('filters: $title', async ({ given, expected }) => {
  expect(await matching(given)).toEqual(expected);
});

test('a page of servers is one statement, with zone, host status and fault', async () => {
  const [victim] = await list({ filters: filters({ launchIndexes: [11] }) });
  await database.knex.raw(`update instances set vm_state = 'error' where uuid = ?`, [victim!.uuid]);
  await database.knex('instance_faults').insert([
    { instance_uuid: victim!.uuid, code: 500, message: 'old' },
    { instance_uuid: victim!.uuid, code: 500, message: 'new' },
  ]);
  const statements: string[] = [];
  const note = ({ sql }: { sql: string }) => void statements.push(sql);
  database.knex.on('query', note);
  const servers = await list();
  database.knex.removeListener('query', note);
  expect(statements).toHaveLength(1);
  const time = expect.stringMatching(/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$/);
  expect(servers.find((server) => server.uuid === victim!.uuid)).toMatchObject({
    hostStatus: 'UP',
    availabilityZone: 'nova',
    createdAt: time,
    fault: { code: 500, message: 'new', createdAt: time },
    flavor: { name: 'm1.tiny' },
  });
  expect(servers.find((server) => server.launchIndex === 0)).toMatchObject({ hostStatus: '', availabilityZone: null, fault: null });
});

test('deleted servers are shown to those who ask for changes or for them', async () => {
  await database.knex.raw(
    `update instances set vm_state = 'deleted', host = null, node = null, deleted_at = kilonova_now(), updated_at = kilonova_now() where launch_index = 5`,
  );
  expect(await matching({})).not.toContain(5);
  expect(await matching({ changesSince: '2000-01-01T00:00:00Z' })).toContain(5);
  expect(await matching({ deleted: true })).toEqual([5]);
});
