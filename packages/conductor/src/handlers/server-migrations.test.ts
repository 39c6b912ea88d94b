import { ListMigrations, ListServerMigrations, type MigrationStatus, type MigrationType, type Scope } from '@kilonova/objects';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createServers } from '../admission/create-servers.ts';
import { changeMigrations, insertMigration } from '../db/server-migrations.ts';
import { freshDatabase, type FreshDatabase } from '../testing/fresh-database.ts';
import { aFlavor, aHost, anAdmin, aRequest, aScope, collect, someFlavors, testServices, type TestServices } from '../testing/services.ts';
import { getServerMigration, listMigrations, listServerMigrations } from './server-migrations.ts';

let database: FreshDatabase;
let services: TestServices;
let server: string;

beforeAll(async () => {
  database = await freshDatabase();
  services = testServices(database);
  await someFlavors(services, {});
  for (const host of ['h1', 'h2']) await aHost(services, host);
});
afterAll(() => database.close());
beforeEach(async () => {
  await database.knex.raw('truncate instances, quota_usages, tasks, idempotency_keys, server_migrations cascade');
  server = (await createServers(services, aRequest())).serverUuids[0]!;
});

interface Given {
  readonly type?: MigrationType;
  readonly status?: MigrationStatus;
  readonly projectId?: string;
}

async function aMigration({ type = 'resize', status = 'error', projectId = 'demo' }: Given = {}): Promise<string> {
  const uuid = services.random.uuid();
  await database.knex.transaction(async (trx) => {
    await insertMigration(trx, {
      ...{ uuid, instanceUuid: server, projectId, userId: 'ann', requestId: 'req-1', type, status: 'error', oldVmState: 'active' },
      ...{ sourceHost: 'h1', sourceNode: 'h1', sourceGeneration: 1, oldFlavor: aFlavor(), newFlavor: aFlavor({ flavorId: 'gone' }) },
    });
    await changeMigrations(trx, [{ uuid, status, destHost: 'h2', destNode: 'h2', destGeneration: 2 }]);
  });
  return uuid;
}

const list = (filters: Partial<ListMigrations> = {}, scope: Scope = anAdmin()) =>
  collect(listMigrations(services, Object.assign(new ListMigrations(), { scope, limit: 10, ...filters })));
const uuidsOf = async (filters: Partial<ListMigrations>, scope?: Scope) => (await list(filters, scope)).map(({ uuid }) => uuid);

test('migrations are listed newest first, page by page, with the numbers of their flavors', async () => {
  const [first, second, third] = [await aMigration(), await aMigration(), await aMigration()];
  expect(await uuidsOf({})).toEqual([third, second, first]);
  expect(await uuidsOf({ limit: 1, marker: third })).toEqual([second]);
  await expect(list({ marker: server })).rejects.toMatchObject({ code: 'MarkerNotFound' });
  await expect(list({ marker: 'no-uuid' })).rejects.toMatchObject({ code: 'MarkerNotFound' });
  expect((await list({ limit: 1 }))[0]).toMatchObject({ sourceHost: 'h1', destNode: 'h2', newFlavorNumber: null });
  expect((await list({ limit: 1 }))[0]?.oldFlavorNumber).toBeGreaterThan(0);
});

test('each filter leaves out what does not fit', async () => {
  const live = await aMigration({ type: 'live-migration', status: 'completed' });
  const cold = await aMigration({ type: 'migration', status: 'confirmed' });
  const filters: readonly (readonly [Partial<ListMigrations>, readonly string[]])[] = [
    [{ types: ['live-migration'] }, [live]],
    [{ statuses: ['confirmed', 'error'] }, [cold]],
    [{ host: 'h2' }, [cold, live]],
    [{ sourceHost: 'h2' }, []],
    [{ serverUuid: server, userId: 'ann', projectId: 'demo' }, [cold, live]],
    [{ serverUuid: 'no-uuid' }, []],
    [{ userId: 'bob' }, []],
    [{ changesSince: '2000-01-01T00:00:00Z' }, [cold, live]],
    [{ changesBefore: '2000-01-01T00:00:00Z' }, []],
  ];
  for (const [filter, found] of filters) expect(await uuidsOf(filter), JSON.stringify(filter)).toEqual(found);
});

test('a project sees what its own people asked for', async () => {
  const own = await aMigration();
  const others = await aMigration({ projectId: 'other' });
  expect(await uuidsOf({})).toEqual([others, own]);
  expect(await uuidsOf({}, aScope())).toEqual([own]);
  expect(await uuidsOf({ projectId: 'other' }, aScope())).toEqual([]);
});

test("of a server's migrations only a live one that is under way is shown", async () => {
  await aMigration({ status: 'finished' });
  const ask = () => collect(listServerMigrations(services, Object.assign(new ListServerMigrations(), { scope: aScope(), uuid: server })));
  expect(await ask()).toEqual([]);
  await database.knex.raw('delete from server_migrations');
  const uuid = await aMigration({ type: 'live-migration', status: 'running' });
  const [shown] = await ask();
  expect(shown?.uuid).toBe(uuid);
  const ref = { scope: aScope(), uuid: server, migrationId: shown!.id };
  expect((await getServerMigration(services, ref)).uuid).toBe(uuid);
  await expect(getServerMigration(services, { ...ref, scope: aScope({ projectId: 'other' }) })).rejects.toMatchObject({
    code: 'ServerNotFound',
  });
});

test('of a migration that cannot be shown it is said why', async () => {
  const whyNot = async (given: Given) => {
    const uuid = await aMigration(given);
    const id = (await list()).find((migration) => migration.uuid === uuid)!.id;
    const refusal: unknown = await getServerMigration(services, { scope: aScope(), uuid: server, migrationId: id }).catch(
      (error: unknown) => error,
    );
    return { id, refusal };
  };
  const refused = (message: string) => expect.objectContaining({ code: 'MigrationNotFound', message });

  const resize = await whyNot({ type: 'resize', status: 'finished' });
  expect(resize.refusal).toEqual(refused(`Migration ${resize.id} for server ${server} is not live-migration.`));
  const over = await whyNot({ type: 'live-migration', status: 'completed' });
  expect(over.refusal).toEqual(refused(`Live migration ${over.id} for server ${server} is not in progress.`));
  const absent = refused(`In-progress live migration ${over.id + 1} is not found for server ${server}.`);
  await expect(getServerMigration(services, { scope: aScope(), uuid: server, migrationId: over.id + 1 })).rejects.toEqual(absent);
  const other = (await createServers(services, aRequest())).serverUuids[0]!;
  await expect(getServerMigration(services, { scope: aScope(), uuid: other, migrationId: over.id })).rejects.toEqual(
    refused(`In-progress live migration ${over.id} is not found for server ${other}.`),
  );
});
