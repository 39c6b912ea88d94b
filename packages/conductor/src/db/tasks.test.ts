import { systemRandom } from '@kilonova/runtime';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { freshDatabase, type FreshDatabase } from '../testing/fresh-database.ts';
import { enter, fenceExpired, type Ownership, renew } from './conductors.ts';
import * as tasks from './tasks.ts';

let database: FreshDatabase;
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.close());
beforeEach(() => database.knex.raw('truncate instances, tasks, conductors cascade'));

const conductor = (id: string, leaseMs = 60_000) => enter(database.knex, { id, host: id, leaseMs });
const lapsed = async (owner: Ownership) =>
  void (await database.knex.raw(`update conductors set lease_until = kilonova_now() - interval '1 second' where id = ?`, [owner.id]));

async function aTask(owner: Ownership | null, changes: { instanceUuid?: string } = {}): Promise<string> {
  const id = systemRandom.uuid();
  const progress = {
    state: 'running',
    step: 0,
    outputs: {},
    awaits: null,
    awaitsHost: null,
    reportInMs: null,
    inquired: false,
    wakeInMs: 60_000,
    attempts: 0,
    failure: null,
  } as const;
  await database.knex.transaction((trx) =>
    tasks.insert(trx, owner, [
      { id, kind: 'toy', version: 1, instanceUuid: null, requestId: 'req-1', params: {}, deadlineMs: 60_000, ...changes, progress },
    ]),
  );
  return id;
}
const own = (owner: Ownership, id: string) =>
  database.knex.transaction(async (trx) => (await tasks.lockOwn(trx, owner, [id])).map((row) => row.id));
const adopted = async (owner: Ownership) => (await tasks.adopt(database.knex, owner, ['toy/1'], 10)).map(({ id }) => id);

test('who lost the lease can move nothing any more, even before anybody adopted its tasks', async () => {
  const [slow, quick] = [await conductor('slow'), await conductor('quick')];
  const id = await aTask(slow);
  expect(await adopted(quick)).toEqual([]);
  await lapsed(slow);
  expect(await own(slow, id)).toEqual([id]); // nobody fenced it yet
  expect(await fenceExpired(database.knex)).toEqual([slow]);
  expect(await own(slow, id)).toEqual([]);
  expect(await renew(database.knex, slow, 60_000)).toBe(false);
  expect(await adopted(slow)).toEqual([]);
  expect(await adopted(quick)).toEqual([id]);
  expect(await own(quick, id)).toEqual([id]);
});

test('a process that comes back under its old name does not own what it had', async () => {
  const before = await conductor('c1');
  const id = await aTask(before);
  await lapsed(before);
  await fenceExpired(database.knex);
  const after = await conductor('c1');
  expect(after.epoch).toBeGreaterThan(before.epoch);
  expect(await own(after, id)).toEqual([]);
  expect(await adopted(after)).toEqual([id]);
});

test('fencing lets a transaction under way finish first', async () => {
  const slow = await conductor('slow');
  const id = await aTask(slow);
  await lapsed(slow);
  await database.knex.transaction(async (trx) => {
    expect((await tasks.lockOwn(trx, slow, [id])).length).toBe(1);
    expect(await fenceExpired(database.knex)).toEqual([]);
    // Renewing does not wait for it, so that a busy conductor keeps its lease.
    expect(await renew(database.knex, slow, -1)).toBe(true);
  });
  expect(await fenceExpired(database.knex)).toEqual([slow]);
});

test('two conductors that adopt at once share the orphans and take none twice', async () => {
  const owners = await Promise.all(['a', 'b', 'c'].map((id) => conductor(id)));
  const orphans = await Promise.all(Array.from({ length: 25 }, () => aTask(null)));
  const taken = (
    await Promise.all(owners.map(async (owner) => [...(await adopted(owner)), ...(await adopted(owner)), ...(await adopted(owner))]))
  ).flat();
  expect(taken.toSorted()).toEqual(orphans.toSorted());
});

test('an instance has one live task at most', async () => {
  const owner = await conductor('c1');
  const uuid = systemRandom.uuid();
  await database.knex.raw(
    `insert into instances (uuid, project_id, user_id, name, hostname, vm_state, flavor, flavor_id, vcpus, memory_mb, disk_gb, reservation_id)
     values (?, 'p', 'u', 'n', 'n', 'active', '{}', '1', 1, 1, 1, 'r')`,
    [uuid],
  );
  await aTask(owner, { instanceUuid: uuid });
  await expect(aTask(owner, { instanceUuid: uuid })).rejects.toMatchObject({ code: '23505' });
});

test('tasks of the same moment come in the order of their ids, wherever their rows lie', async () => {
  const [before, now] = [await conductor('before'), await conductor('now')];
  const ids: string[] = [];
  for (let made = 0; made < 8; made += 1) ids.push(await aTask(before));
  await lapsed(before);
  await fenceExpired(database.knex);
  expect(await adopted(now)).toEqual(ids.toSorted());
  expect((await tasks.due(database.knex, now, 10)).map(({ id }) => id)).toEqual(ids.toSorted());
});
