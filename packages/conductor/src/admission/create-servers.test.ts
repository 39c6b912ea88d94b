import { Image, type CreateServers } from '@kilonova/objects';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { usageDifferences } from '../db/quota-usages.ts';
import { createKeypair } from '../handlers/keypairs.ts';
import { createServerGroup } from '../handlers/server-groups.ts';
import { freshDatabase, type FreshDatabase } from '../testing/fresh-database.ts';
import { aHost, aRequest, aScope, anAdmin, someFlavors, testServices, type TestServices } from '../testing/services.ts';
import { createServers } from './create-servers.ts';

let database: FreshDatabase;
let services: TestServices;

beforeAll(async () => {
  database = await freshDatabase();
  services = testServices(database);
  await someFlavors(
    services,
    { swapMb: 1, ephemeralGb: 2 },
    { flavorId: '2', name: 'm1.small', vcpus: 2, memoryMb: 2048, rootGb: 20 },
    { flavorId: 'off', name: 'off', disabled: true },
    { flavorId: 'no-disk', name: 'no-disk', rootGb: 0 },
    { flavorId: 'theirs', name: 'theirs', isPublic: false },
  );
  await aHost(services, 'h1');
});
afterAll(() => database.close());
beforeEach(async () => {
  await database.knex.raw('truncate instances, quota_usages, tasks, idempotency_keys, server_groups, quotas cascade');
});

const rows = async <Row>(table: string): Promise<Row[]> => (await database.knex(table).select('*')) as Row[];
const refusal = (code: string, message: string | RegExp) =>
  expect.objectContaining({ code, message: typeof message === 'string' ? message : expect.stringMatching(message) });

test('a request becomes servers in BUILD, an action each, usage and one task that was woken', async () => {
  const request = aRequest({ minCount: 2, maxCount: 2, metadata: { tier: 'web' }, tags: ['blue'] });
  const answer = await createServers(services, request);

  expect(answer).toMatchObject({ replayed: false, reservationId: expect.stringMatching(/^r-[a-z0-9]{8}$/) });
  const instances = await rows<Record<string, unknown>>('instances');
  expect(
    instances
      .map(({ name, hostname, launch_index: index }) => ({ name, hostname, index }))
      .toSorted((a, b) => Number(a.index) - Number(b.index)),
  ).toEqual([
    { name: 'web-1', hostname: 'web-1', index: 0 },
    { name: 'web-2', hostname: 'web-2', index: 1 },
  ]);
  expect(instances[0]).toMatchObject({
    vm_state: 'building',
    task_state: 'scheduling',
    host: null,
    disk_gb: 4,
    metadata: { tier: 'web' },
    tags: ['blue'],
  });
  const [task] = await rows<{ id: string; kind: string; params: object }>('tasks');
  expect(task).toMatchObject({ kind: 'create-servers', params: { instanceUuids: answer.serverUuids } });
  expect(services.woken).toContain(task!.id);
  expect(await rows('instance_actions')).toEqual(
    answer.serverUuids.map(() => expect.objectContaining({ action: 'create', request_id: request.scope.requestId })),
  );
  expect(await database.knex('quota_usages').orderBy('user_id')).toEqual([
    { project_id: 'demo', user_id: '', instances: 2, cores: 2, ram: 1024 },
    { project_id: 'demo', user_id: 'ann', instances: 2, cores: 2, ram: 1024 },
  ]);
});

test('the same key and body replays the answer; another body is a conflict and leaves nothing', async () => {
  const first = await createServers(services, aRequest({ idempotencyKey: 'k' }));
  expect(await createServers(services, aRequest({ idempotencyKey: 'k' }))).toEqual({ ...first, replayed: true });
  await expect(createServers(services, aRequest({ idempotencyKey: 'k', bodyHash: 'other' }))).rejects.toEqual(
    refusal('IdempotencyConflict', /another body/),
  );
  expect(await rows('instances')).toHaveLength(1);
});

test('a request without a flavor is answered where it is a repeat, and makes nothing where it is none', async () => {
  const first = await createServers(services, aRequest({ idempotencyKey: 'k' }));
  const repeat = aRequest({ idempotencyKey: 'k', flavorId: '', image: null });
  expect(await createServers(services, repeat)).toEqual({ ...first, replayed: true });
  await expect(createServers(services, aRequest({ idempotencyKey: 'new', flavorId: '', image: null }))).rejects.toEqual(
    refusal('FlavorInvalid', 'Flavor  could not be found.'),
  );
  expect(await rows('instances')).toHaveLength(1);
});

test("a key is one user's in one project, and free again after its time", async () => {
  const first = await createServers(services, aRequest({ idempotencyKey: 'k' }));
  const other = await createServers(services, aRequest({ idempotencyKey: 'k', scope: aScope({ userId: 'bob' }) }));
  expect(other.serverUuids).not.toEqual(first.serverUuids);
  await database.knex.raw(`update idempotency_keys set created_at = created_at - interval '25 hours'`);
  expect((await createServers(services, aRequest({ idempotencyKey: 'k', bodyHash: 'new' }))).replayed).toBe(false);
});

test('many requests with one key at the same time make one server', async () => {
  const answers = await Promise.all(Array.from({ length: 12 }, () => createServers(services, aRequest({ idempotencyKey: 'race' }))));
  expect(answers.filter((answer) => !answer.replayed)).toHaveLength(1);
  expect(new Set(answers.map((answer) => answer.serverUuids[0])).size).toBe(1);
  expect(await rows('instances')).toHaveLength(1);
});

test('a refused request gives its key back', async () => {
  await expect(createServers(services, aRequest({ idempotencyKey: 'k', flavorId: 'no' }))).rejects.toEqual(
    refusal('FlavorInvalid', 'Flavor no could not be found.'),
  );
  expect((await createServers(services, aRequest({ idempotencyKey: 'k', bodyHash: 'mended' }))).replayed).toBe(false);
});

test('requests at the same time never exceed the quota, and usage equals a recount', async () => {
  const tight = testServices(database, { quota: { instances: 7, cores: -1, ram: -1 } });
  const outcomes = await Promise.allSettled(
    Array.from({ length: 20 }, (_, index) =>
      createServers(tight, aRequest({ maxCount: 2, scope: aScope({ userId: `user-${index % 3}` }) })),
    ),
  );
  expect(await rows('instances')).toHaveLength(7);
  const reasons = outcomes.filter((outcome) => outcome.status === 'rejected').map((outcome) => outcome.reason as unknown);
  expect(reasons.length).toBeGreaterThan(0);
  for (const reason of reasons)
    expect(reason).toEqual(refusal('QuotaExceeded', 'Quota exceeded for instances: Requested 1-2, but already used 7 of 7 instances'));
  expect(await usageDifferences(database.knex)).toEqual([]);
});

test('a recount finds usage that strayed from the instances', async () => {
  await createServers(services, aRequest());
  await database.knex.raw(`update quota_usages set cores = 5 where user_id = 'ann'`);
  expect(await usageDifferences(database.knex)).toEqual([
    { projectId: 'demo', userId: 'ann', kept: { instances: 1, cores: 5, ram: 512 }, recounted: { instances: 1, cores: 1, ram: 512 } },
  ]);
});

test('fifty servers take as many statements as one', async () => {
  const wide = testServices(database, { quota: { instances: -1, cores: -1, ram: -1 } });
  const statementsOf = async (count: number) => {
    let statements = 0;
    const note = () => (statements += 1);
    database.knex.on('query', note);
    await createServers(wide, aRequest({ minCount: count, maxCount: count }));
    database.knex.removeListener('query', note);
    return statements;
  };
  // A project's first create makes its rows of quota besides.
  await statementsOf(1);
  const one = await statementsOf(1);
  expect(await statementsOf(50)).toBe(one);
  expect(one).toBeGreaterThan(5);
  expect(one).toBeLessThanOrEqual(12);
});

const ZERO_DISK = 'os_compute_api:servers:create:zero_disk_flavor';

test('a flavor without a root disk is for who has the right to it, and one with a disk for everybody', async () => {
  await createServers(services, aRequest({ flavorId: 'no-disk' }));
  await createServers(services, aRequest({ zeroDiskDeniedBy: ZERO_DISK }));
  expect(await rows('instances')).toHaveLength(2);
});

type Changes = Omit<Partial<CreateServers>, 'image'> & { readonly image?: Partial<Image> };

test.each<{ title: string; changes: Changes; code: string; message: string | RegExp }>([
  {
    title: 'a disabled flavor is not there',
    changes: { flavorId: 'off' },
    code: 'FlavorInvalid',
    message: 'Flavor off could not be found.',
  },
  { title: 'nor is one of others', changes: { flavorId: 'theirs' }, code: 'FlavorInvalid', message: 'Flavor theirs could not be found.' },
  { title: 'an unknown key pair', changes: { keyName: 'none' }, code: 'KeypairInvalid', message: 'Invalid key_name provided.' },
  {
    title: 'an unknown zone',
    changes: { availabilityZone: 'mars' },
    code: 'ZoneInvalid',
    message: 'The requested availability zone is not available',
  },
  { title: 'an unknown host', changes: { requestedHost: 'h9' }, code: 'HostInvalid', message: 'Compute host h9 could not be found.' },
  {
    title: 'an unknown group',
    changes: { hints: { group: '7e8f5a0e-6a0f-4d59-b7c5-000000000000' } },
    code: 'GroupInvalid',
    message: 'Instance group 7e8f5a0e-6a0f-4d59-b7c5-000000000000 could not be found.',
  },
  {
    title: 'an image that needs more memory',
    changes: { image: { minRamMb: 1024 } },
    code: 'FlavorTooSmall',
    message: "Flavor's memory is too small for requested image.",
  },
  {
    title: 'an image that is larger than the disk',
    changes: { image: { size: 2 ** 31 } },
    code: 'FlavorTooSmall',
    message: /^Flavor's disk is too small for requested image\./,
  },
  {
    title: 'an image that needs a larger disk',
    changes: { image: { minDiskGb: 2 } },
    code: 'FlavorTooSmall',
    message: /^Flavor's disk is smaller than the minimum size/,
  },
  {
    title: 'too much metadata',
    changes: { metadata: Object.fromEntries(Array.from({ length: 129 }, (_, index) => [`k${index}`, ''])) },
    code: 'QuotaExceeded',
    message: 'Maximum number of metadata items exceeds 128',
  },
  {
    title: 'a flavor without a root disk, for who has no right to it',
    changes: { flavorId: 'no-disk', zeroDiskDeniedBy: ZERO_DISK },
    code: 'PolicyDenied',
    message: `Policy doesn't allow ${ZERO_DISK} to be performed.`,
  },
  {
    title: 'an image that a flavor without a root disk has too little memory for',
    changes: { flavorId: 'no-disk', zeroDiskDeniedBy: ZERO_DISK, image: { minRamMb: 1024 } },
    code: 'FlavorTooSmall',
    message: "Flavor's memory is too small for requested image.",
  },
  {
    title: 'a caller without the right',
    changes: { scope: aScope({ deniedBy: 'os_compute_api:servers:create' }) },
    code: 'PolicyDenied',
    message: "Policy doesn't allow os_compute_api:servers:create to be performed.",
  },
])('$title is refused and leaves nothing behind', async ({ changes, code, message }) => {
  const { image, ...others } = changes;
  const request = aRequest({ ...others, ...(image !== undefined && { image: Object.assign(new Image(), { id: 'i' }, image) }) });
  await expect(createServers(services, request)).rejects.toEqual(refusal(code, message));
  for (const table of ['instances', 'tasks', 'idempotency_keys', 'quota_usages'])
    expect({ table, rows: await rows(table) }).toEqual({ table, rows: [] });
});

test('an administrator may use a flavor of others, and the default zone is a zone', async () => {
  await createServers(services, aRequest({ flavorId: 'theirs', availabilityZone: 'nova', scope: anAdmin() }));
  expect(await rows('instances')).toEqual([expect.objectContaining({ availability_zone: 'nova', pinned_availability_zone: 'nova' })]);
});

test('the key pair of the user comes along', async () => {
  await createKeypair(
    services,
    Object.assign({ scope: aScope(), userId: 'ann', name: 'mine', type: 'ssh', publicKey: 'ssh-rsa A', fingerprint: 'f' }),
  );
  await createServers(services, aRequest({ keyName: 'mine' }));
  expect(await rows('instances')).toEqual([expect.objectContaining({ key_name: 'mine', public_key: 'ssh-rsa A' })]);
});

test('a group takes no more of a user than its quota, also at the same time', async () => {
  const few = testServices(database, { quota: { serverGroupMembers: 3 } });
  const group = await createServerGroup(few, { scope: aScope(), name: 'g', policy: 'anti-affinity', maxServersPerHost: null });
  const outcomes = await Promise.allSettled(
    Array.from({ length: 6 }, () => createServers(few, aRequest({ hints: { group: group.uuid } }))),
  );
  expect(outcomes.filter((outcome) => outcome.status === 'fulfilled')).toHaveLength(3);
  expect(await database.knex('instances').where({ server_group_uuid: group.uuid })).toHaveLength(3);
});

test("a text with NUL is the caller's mistake at the handlers' edge", async () => {
  const { asRefusal } = await import('../db/refusals.ts');
  const error: unknown = await createServers(services, aRequest({ name: 'a\0b' })).catch((caught: unknown) => caught);
  expect(asRefusal(error)).toEqual(refusal('InvalidInput', /^Invalid input received/));
});
