/** A host that was silent is heard again while operators evacuate it: what is decided about it at the same time. */
import { ActOnServer } from '@kilonova/objects';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createServers } from '../admission/create-servers.ts';
import type { Transaction } from '../db/connection.ts';
import { endRound } from '../db/domain-reports.ts';
import { holdHost } from '../db/hosts-up.ts';
import { lockInstances } from '../db/instance-changes.ts';
import { noteHosts } from '../db/liveness.ts';
import { actionAcceptance } from '../tasks/accept-action.ts';
import { freshDatabase, type FreshDatabase } from '../testing/fresh-database.ts';
import { aHost, anAdmin, aRequest, someFlavors, testServices, type TestServices } from '../testing/services.ts';

let database: FreshDatabase;
let services: TestServices;
let uuid: string;

beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.close());
beforeEach(async () => {
  await run('truncate instances, hosts, services, flavors, quota_usages, tasks, idempotency_keys, cleanups, server_migrations cascade');
  services = testServices(database);
  await aHost(services, 'h1');
  await someFlavors(services, {});
  [uuid] = (await createServers(services, aRequest())).serverUuids as [string];
  await run(`update tasks set state = 'done', finished_at = kilonova_now()`);
  await run(
    `update instances set host = 'h1', node = 'h1', generation = 1, last_generation = 1, vm_state = 'active', task_state = null, power_state = 1,
       launched_at = kilonova_now()`,
  );
  await run('update services set last_seen_at = null');
  await run('update hosts set up = false');
});

const run = async (sql: string) => ((await database.knex.raw(sql)) as { rows: Record<string, unknown>[] }).rows;
const evacuate = () =>
  actionAcceptance(services)(Object.assign(new ActOnServer(), { scope: anAdmin(), uuid, action: 'evacuate', options: {} }));
const isUp = async () => (await run('select up from hosts'))[0]!['up'];
const evacuations = () => run('select status from server_migrations');
const waiting = () => run(`select 1 from pg_stat_activity where datname = current_database() and cardinality(pg_blocking_pids(pid)) > 0`);

/** What others decide while somebody's transaction is open. */
async function beside(somebody: (trx: Transaction) => Promise<unknown>, others: () => Promise<void>): Promise<void> {
  const trx = await database.knex.transaction();
  try {
    await somebody(trx);
    await others();
  } finally {
    await trx.commit();
  }
}

test('a host whose sign of life had to wait is not up when it was evacuated meanwhile', async () => {
  let noted: ReturnType<typeof noteHosts> | undefined;
  await beside(
    (trx) => trx.raw('select 1 from services for no key update'),
    async () => {
      noted = noteHosts(database.knex, ['h1']);
      await expect.poll(waiting).toHaveLength(1);
      await evacuate();
    },
  );
  expect(await noted).toEqual({ known: ['h1'], risen: [] });
  expect(await isUp()).toBe(false);
  expect(await evacuations()).toEqual([{ status: 'accepted' }]);
});

test('a host that is heard while its evacuation is being accepted waits for that, and is not up', async () => {
  let noted: ReturnType<typeof noteHosts> | undefined;
  await beside(
    async (trx) => {
      await trx.raw(
        `insert into server_migrations (uuid, instance_uuid, project_id, user_id, request_id, type, status, source_host, source_generation,
           old_flavor, new_flavor, old_vm_state)
         select :id, uuid, 'demo', 'ann', 'r', 'evacuation', 'accepted', 'h1', 1, '{}', '{}', 'active' from instances`,
        { id: services.random.uuid() },
      );
      expect(await holdHost(trx, 'h1')).toBe(false);
    },
    async () => {
      noted = noteHosts(database.knex, ['h1']);
      await expect.poll(waiting).toHaveLength(1);
    },
  );
  expect(await noted).toEqual({ known: ['h1'], risen: [] });
  expect(await isUp()).toBe(false);
});

test('an evacuation is refused when its host comes up at the same time', async () => {
  let asked: Promise<unknown> | undefined;
  await beside(
    (trx) => trx.raw('update hosts set up = true'),
    async () => {
      asked = evacuate().catch((error: unknown) => error);
      await expect.poll(waiting).toHaveLength(1);
    },
  );
  expect(await asked).toMatchObject({ code: 'HostStillUp' });
  expect(await evacuations()).toEqual([]);
});

test('what a host shows of a server that is just being changed is looked at in the next round, and nobody waits', async () => {
  const look = (round: number) =>
    database.knex.transaction((trx) => endRound(trx, { host: 'h1', round, domains: [], rounds: 1, sync: true }));
  await beside(
    (trx) => lockInstances(trx, [uuid]),
    async () => expect(await look(1)).toEqual({ stopped: [], started: [] }),
  );
  expect(await look(2)).toEqual({ stopped: [uuid], started: [] });
});
