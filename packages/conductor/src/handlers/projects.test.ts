import { ListFlavors, ListKeypairs, ListServerGroups, QuotaRef, UpdateQuota } from '@kilonova/objects';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createServers } from '../admission/create-servers.ts';
import { freshDatabase, type FreshDatabase } from '../testing/fresh-database.ts';
import { aFlavor, anAdmin, aRequest, aScope, collect, someFlavors, testServices, type TestServices } from '../testing/services.ts';
import * as flavors from './flavors.ts';
import * as keypairs from './keypairs.ts';
import * as quotas from './quotas.ts';
import * as groups from './server-groups.ts';

let database: FreshDatabase;
let services: TestServices;
const admin = anAdmin();

beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.close());
beforeEach(async () => {
  await database.knex.raw(
    'truncate flavors, keypairs, quotas, quota_classes, quota_usages, server_groups, instances, idempotency_keys, tasks cascade',
  );
  services = testServices(database, { quota: { keyPairs: 2, serverGroups: 2 } });
});

const flavorIds = async (changes: Partial<ListFlavors>) =>
  (await collect(flavors.listFlavors(services, Object.assign(new ListFlavors(), { scope: admin, limit: 100 }, changes)))).map(
    (flavor) => flavor.flavorId,
  );

test('flavors: ids and names are unique', async () => {
  await flavors.createFlavor(services, { scope: admin, flavor: aFlavor() });
  await expect(flavors.createFlavor(services, { scope: admin, flavor: aFlavor({ name: 'x' }) })).rejects.toMatchObject({
    code: 'FlavorExists',
    message: 'Flavor with ID 1 already exists.',
  });
  await expect(flavors.createFlavor(services, { scope: admin, flavor: aFlavor({ flavorId: '2' }) })).rejects.toMatchObject({
    code: 'FlavorExists',
    message: 'Flavor with name m1.tiny already exists.',
  });
  expect(await flavorIds({})).toEqual(['1']);
});

test('flavors: extra specs are set, replaced and removed', async () => {
  await someFlavors(services, {});
  const ref = { scope: admin, flavorId: '1' };
  await flavors.changeExtraSpecs(services, { ...ref, set: { coolhardware: 'true', x: '1' }, remove: null });
  expect((await flavors.changeExtraSpecs(services, { ...ref, set: { x: '2' }, remove: null })).extraSpecs).toEqual({
    coolhardware: 'true',
    x: '2',
  });
  expect((await flavors.changeExtraSpecs(services, { ...ref, set: {}, remove: 'x' })).extraSpecs).toEqual({ coolhardware: 'true' });
  await expect(flavors.changeExtraSpecs(services, { ...ref, set: {}, remove: 'x' })).rejects.toMatchObject({
    code: 'ExtraSpecNotFound',
    message: 'Flavor 1 has no extra specs with key x.',
  });
});

test('flavors: one that is not public is seen by administrators and by projects it is shared with', async () => {
  await someFlavors(services, {}, { flavorId: 'p', name: 'p', isPublic: false }, { flavorId: 'd', name: 'd', disabled: true });
  const mine = aScope();
  await expect(flavors.getFlavor(services, { scope: mine, flavorId: 'p' })).rejects.toMatchObject({
    code: 'FlavorNotFound',
    message: 'Flavor p could not be found.',
  });
  expect(await flavorIds({ scope: mine })).toEqual(['1']);
  expect(await flavorIds({ isPublic: false })).toEqual(['p']);
  expect(await flavorIds({ isPublic: null })).toEqual(['1', 'd', 'p']);

  const access = (flavorId: string, allowed: boolean) =>
    flavors.changeFlavorAccess(services, { scope: admin, flavorId, projectId: 'demo', allowed });
  expect((await access('p', true)).projectIds).toEqual(['demo']);
  expect(await flavorIds({ scope: mine })).toEqual(['1', 'p']);
  await expect(access('p', true)).rejects.toMatchObject({ code: 'FlavorAccessExists' });
  await expect(access('1', true)).rejects.toMatchObject({ message: 'Can not add access to a public flavor.' });
  expect((await access('p', false)).projectIds).toEqual([]);
  await expect(access('p', false)).rejects.toMatchObject({
    code: 'FlavorAccessNotFound',
    message: 'Flavor access not found for p / demo combination.',
  });
});

test('flavors: pages go on behind the marker, also where the sort key is equal', async () => {
  await someFlavors(services, ...['a', 'b', 'c', 'd'].map((name) => ({ flavorId: name, name, memoryMb: name === 'd' ? 64 : 512 })));
  expect(await flavorIds({ sortKey: 'memory_mb', sortDirection: 'desc', limit: 2 })).toEqual(['c', 'b']);
  expect(await flavorIds({ sortKey: 'memory_mb', sortDirection: 'desc', marker: 'b' })).toEqual(['a', 'd']);
  expect(await flavorIds({ minMemoryMb: 100, sortKey: 'name', limit: 2 })).toEqual(['a', 'b']);
  await expect(flavorIds({ marker: 'x' })).rejects.toMatchObject({ code: 'MarkerNotFound', message: 'marker [x] not found' });
  await flavors.deleteFlavor(services, { scope: admin, flavorId: 'a' });
  await expect(flavors.deleteFlavor(services, { scope: admin, flavorId: 'a' })).rejects.toMatchObject({ code: 'FlavorNotFound' });
});

const aKeypair = (name: string, userId = 'ann') =>
  keypairs.createKeypair(services, { scope: aScope({ userId }), userId, name, type: 'ssh', publicKey: 'k', fingerprint: 'f' });

test('key pairs belong to a user, by unique names, as many as the quota says, also at the same time', async () => {
  await aKeypair('a');
  await expect(aKeypair('a')).rejects.toMatchObject({ code: 'KeypairExists', message: "Key pair 'a' already exists." });
  const outcomes = await Promise.allSettled(['b', 'c', 'd', 'e'].map((name) => aKeypair(name)));
  expect(outcomes.filter((outcome) => outcome.status === 'fulfilled')).toHaveLength(1);
  await expect(aKeypair('z')).rejects.toMatchObject({ code: 'QuotaExceeded', message: 'Quota exceeded, too many key pairs.' });
  await aKeypair('a', 'bob');
});

test('key pairs are listed by name behind a marker, and found or not', async () => {
  for (const name of ['b', 'a']) await aKeypair(name);
  const list = async (changes: Partial<ListKeypairs>) =>
    (
      await collect(
        keypairs.listKeypairs(services, Object.assign(new ListKeypairs(), { scope: aScope(), userId: 'ann', limit: 10 }, changes)),
      )
    ).map((pair) => pair.name);
  expect(await list({})).toEqual(['a', 'b']);
  expect(await list({ marker: 'a' })).toEqual(['b']);
  await expect(list({ marker: 'x' })).rejects.toMatchObject({ code: 'MarkerNotFound' });
  const ref = { scope: aScope(), userId: 'ann', name: 'a' };
  await keypairs.deleteKeypair(services, ref);
  for (const act of [keypairs.deleteKeypair, keypairs.getKeypair])
    await expect(act(services, ref)).rejects.toMatchObject({ code: 'KeypairNotFound', message: 'Keypair a not found for user ann' });
});

const ref = (changes: Partial<UpdateQuota> = {}): UpdateQuota =>
  Object.assign(new UpdateQuota(), { scope: admin, projectId: 'demo' }, changes);

test('quotas: configuration, class, project and user override each other in this order', async () => {
  const limit = async (userId: string | null = null) =>
    (await quotas.getQuota(services, Object.assign(new QuotaRef(), ref({ userId })))).limits['cores'];
  expect(await limit()).toBe(20);
  await quotas.updateQuotaClass(services, { scope: admin, className: 'default', limits: { cores: 30 } });
  expect(await limit()).toBe(30);
  await quotas.updateQuota(services, ref({ limits: { cores: 40 } }));
  expect(await limit()).toBe(40);
  await quotas.updateQuota(services, ref({ userId: 'ann', limits: { cores: 5 } }));
  expect([await limit('ann'), await limit('bob'), await limit()]).toEqual([5, 40, 40]);
  expect((await quotas.getQuota(services, ref({ defaults: true }))).limits['cores']).toBe(30);
  await quotas.deleteQuota(services, ref());
  expect([await limit('ann'), await limit()]).toEqual([30, 30]);
});

test("quotas: a limit below what is in use needs force, and a user's stays within the project's", async () => {
  await someFlavors(services, {});
  await createServers(services, aRequest({ minCount: 2, maxCount: 2 }));
  await expect(quotas.updateQuota(services, ref({ limits: { instances: 1 } }))).rejects.toMatchObject({
    code: 'QuotaInvalid',
    message: 'Quota limit 1 for instances must be greater than or equal to already used and reserved 2.',
  });
  const forced = await quotas.updateQuota(services, ref({ limits: { instances: 1 }, force: true }));
  expect(forced).toMatchObject({ limits: { instances: 1 }, inUse: { instances: 2, cores: 2, ram: 1024 } });
  for (const limits of [{ cores: 21 }, { cores: -1 }])
    await expect(quotas.updateQuota(services, ref({ userId: 'ann', limits }))).rejects.toMatchObject({
      code: 'QuotaInvalid',
      message: `Quota limit ${limits.cores} for cores must be less than or equal to 20.`,
    });
  await expect(quotas.updateQuota(services, ref({ limits: { bananas: 1 } }))).rejects.toMatchObject({ code: 'QuotaInvalid' });
});

test('server groups: seen by their project, with living members, as many as the quota says', async () => {
  await someFlavors(services, {});
  const scope = aScope();
  const create = (name: string) => groups.createServerGroup(services, { scope, name, policy: 'affinity', maxServersPerHost: null });
  const group = await create('g');
  const { serverUuids } = await createServers(services, aRequest({ minCount: 2, maxCount: 2, hints: { group: group.uuid } }));
  await database.knex.raw(`update instances set vm_state = 'deleted', deleted_at = kilonova_now() where uuid = ?`, [serverUuids[0]!]);
  expect((await groups.getServerGroup(services, { scope, uuid: group.uuid })).members).toEqual([serverUuids[1]]);

  const outcomes = await Promise.allSettled(['a', 'b', 'c'].map(create));
  expect(outcomes.filter((outcome) => outcome.status === 'fulfilled')).toHaveLength(1);
  await expect(create('z')).rejects.toMatchObject({ code: 'QuotaExceeded', message: 'Quota exceeded, too many server groups.' });

  const list = (changes: Partial<ListServerGroups>) =>
    collect(groups.listServerGroups(services, Object.assign(new ListServerGroups(), { scope, limit: 10 }, changes)));
  expect(await list({})).toHaveLength(2);
  expect(await list({ offset: 1, limit: 1 })).toHaveLength(1);
  const stranger = aScope({ projectId: 'other' });
  expect(await list({ scope: stranger })).toEqual([]);
  for (const act of [groups.getServerGroup, groups.deleteServerGroup])
    await expect(act(services, { scope: stranger, uuid: group.uuid })).rejects.toMatchObject({
      code: 'ServerGroupNotFound',
      message: `Instance group ${group.uuid} could not be found.`,
    });
  await groups.deleteServerGroup(services, { scope, uuid: group.uuid });
  expect(await database.knex('instances').whereNotNull('server_group_uuid')).toEqual([]);
});
