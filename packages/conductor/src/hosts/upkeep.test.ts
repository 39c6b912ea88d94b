import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { createServers } from '../admission/create-servers.ts';
import { hostStates } from '../db/host-states.ts';
import { purgeTasks } from '../db/purge.ts';
import { freshDatabase, type FreshDatabase } from '../testing/fresh-database.ts';
import { aHost, aRequest, someFlavors, testServices } from '../testing/services.ts';
import { Upkeep } from './upkeep.ts';

let database: FreshDatabase;
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.close());

test('silent hosts go down and old rows go away, more than one batch of them, while young ones stay', async () => {
  const services = testServices(database, { conductor: { livenessMs: 20, purgeLookMs: 20, purgeBatch: 2, livenessBatch: 1 } });
  await someFlavors(services, {});
  for (const host of ['h1', 'h2', 'h3']) await aHost(services, host);
  for (let each = 0; each < 6; each += 1) await createServers(services, aRequest());
  const { knex } = database;
  const young = (await knex('instances').orderBy('number', 'desc').first('uuid'))!.uuid as string;
  await knex.raw(`update services set last_seen_at = last_seen_at - interval '2 minutes' where host <> 'h3'`);
  await knex.raw(
    `update instances set vm_state = 'deleted', deleted_at = kilonova_now() - case when uuid = :young then interval '0' else interval '99 days' end`,
    { young },
  );
  await knex.raw(`update idempotency_keys set created_at = created_at - interval '2 days'`);
  await knex.raw(`update tasks set state = 'done', finished_at = kilonova_now() - interval '2 days'`);
  await knex.raw(`update tasks set finished_at = kilonova_now() where params -> 'instanceUuids' ->> 0 = :young`, { young });

  const upkeep = new Upkeep(services);
  upkeep.start();
  await vi.waitFor(
    async () => {
      expect(await knex('idempotency_keys')).toEqual([]);
      expect(await knex('instances').pluck('uuid')).toEqual([young]);
      expect(await knex('tasks')).toHaveLength(1);
      expect((await hostStates(knex, ['h1', 'h2', 'h3'], 'nova')).map((host) => host.up)).toEqual([false, false, true]);
    },
    { timeout: 10_000 },
  );
  await upkeep.stop();
  expect(services.touched.slice(-2).toSorted()).toEqual(['h1', 'h2']);
});

test('a host that comes back after tasks are forgotten gets no work either before it is rid of what runs elsewhere by now', async () => {
  const services = testServices(database);
  const { knex } = database;
  await knex.raw('truncate instances, hosts, services, flavors, tasks, idempotency_keys, cleanups cascade');
  await someFlavors(services, {});
  await aHost(services, 'h1');
  const isUp = async () => (await hostStates(knex, ['h1'], 'nova'))[0]!.up;
  const purge = () => purgeTasks(knex, 24, 100);
  await createServers(services, aRequest());
  await knex.raw(`update instances set host = 'h2', node = 'h2', generation = 2`);
  // Two builds were given up because their host was forced down. What one of them left is still to be removed, and something that no task left.
  await knex.raw(
    `insert into tasks (id, kind, version, instance_uuid, request_id, state, params, failure, deadline_at, finished_at)
     select id, 'build-instance', 1, i.uuid, 'r', 'failed', '{}', '{"message": "", "forcedDown": true}', kilonova_now(), kilonova_now() - interval '2 days'
     from instances i, unnest(cast(:ids as uuid[])) id`,
    { ids: [services.random.uuid(), services.random.uuid()] },
  );
  await knex.raw(
    `insert into cleanups (host, instance_uuid, generation, request_id, undoes, reason)
     select 'h1', t.instance_uuid, 1, 'r', t.id || '/askSpawn', '' from tasks t where state = 'failed' order by t.id limit 1`,
  );
  await knex.raw(`insert into cleanups (host, instance_uuid, generation, request_id, reason) select 'h3', uuid, 0, 'r', '' from instances`);
  await knex.raw(`update hosts set up = false where host = 'h1'`);

  expect(await purge()).toBe(1);
  await aHost(services, 'h1');
  expect(await isUp()).toBe(false);

  await knex.raw(`delete from cleanups where host = 'h1'`);
  expect(await purge()).toBe(1);
  await aHost(services, 'h1');
  expect(await isUp()).toBe(true);
});

test('a conductor that was deaf itself calls no host silent, until all may have come back and been silent for too long', async () => {
  const services = testServices(database, { conductor: { livenessMs: 10, serviceDownMs: 60_000 } });
  await aHost(services, 'quiet');
  await database.knex.raw(`update services set last_seen_at = last_seen_at - interval '2 minutes' where host = 'quiet'`);
  let since: number | undefined;
  let looks = 0;
  const upkeep = new Upkeep(
    services,
    () => {
      looks += 1;
      return since;
    },
    async () => 30_000,
  );
  const isUp = async () => (await hostStates(database.knex, ['quiet'], 'nova')).map((host) => host.up);
  upkeep.start();
  await vi.waitFor(() => expect(looks).toBeGreaterThan(2));
  for (const heardForMs of [0, 60_001]) {
    since = services.clock.monotonic() - heardForMs;
    const before = looks;
    await vi.waitFor(() => expect(looks).toBeGreaterThan(before + 2));
    expect(await isUp()).toEqual([true]);
  }
  since = services.clock.monotonic() - 90_001;
  await vi.waitFor(async () => expect(await isUp()).toEqual([false]));
  await upkeep.stop();
});
