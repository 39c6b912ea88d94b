/**
 * Four schedulers, each with a snapshot of its own, fill hosts to the last place while two conductors claim on one database:
 * nothing is claimed twice, few claims are lost, and nobody is refused who would have fitted. What hosts do is left out.
 */
import { conductorSection, databaseSection, migrateDatabase, quotaSection, startConductor } from '@kilonova/conductor';
import {
  conductorContract,
  CreateFlavor,
  CreateServers,
  Flavor,
  hostReportsContract,
  HostRegistration,
  Inventory,
  Scope,
  version,
} from '@kilonova/objects';
import { createClient, InProcessBroker } from '@kilonova/rpc';
import { createMetrics, defaultsOf, silentLogger, systemClock, systemRandom } from '@kilonova/runtime';
import { schedulerSection, startScheduler } from '@kilonova/scheduler';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { freshDatabase, type TestDatabase } from '../support/database.ts';
import { eventually } from '../support/eventually.ts';

const HOSTS = 20;
const PLACES_PER_HOST = 30;
const PLACES = HOSTS * PLACES_PER_HOST;
/** Until here there is room on most hosts. Who fights for the very last places loses more, and how much more is a matter of time. */
const ROOMY = 0.9 * PLACES;
const AT_ONCE = 20;
const MOST_LOST = 0.05;
const FLAVOR = Object.assign(new Flavor(), { flavorId: '1', name: 'm1.tiny', vcpus: 1, memoryMb: 512, rootGb: 1 });
/** Nothing is heard of a spawn: it need not be sent again while this test looks. */
const CALM = { resendMinMs: 60_000, resendMaxMs: 60_000, stopGraceMs: 500 };

const broker = new InProcessBroker();
const closing: (() => Promise<unknown>)[] = [];
const registries = ['conductor-1', 'conductor-2'].map((name) => createMetrics(name));
let database: TestDatabase;

beforeAll(async () => {
  database = await freshDatabase();
  closing.push(() => database.drop());
  const surroundings = { clock: systemClock, random: systemRandom, log: silentLogger };
  const config = {
    database: defaultsOf(databaseSection, { url: database.url, poolMax: 5 }),
    conductor: defaultsOf(conductorSection, CALM),
    quota: defaultsOf(quotaSection, { instances: -1, cores: -1, ram: -1 }),
    scheduler: defaultsOf(schedulerSection),
  };
  await migrateDatabase(config.database);
  for (const [at, metrics] of registries.entries()) {
    const conductor = await startConductor({ ...surroundings, metrics, config, transport: connect('conductor', `conductor-${at}`) });
    closing.push(() => conductor.stop());
  }
  for (let host = 1; host <= HOSTS; host += 1) await register(`host-${host}`);
  for (const host of ['s1', 's2', 's3', 's4']) {
    const parts = { ...surroundings, metrics: createMetrics(host), config, transport: connect('scheduler', host), host };
    const scheduler = await startScheduler(parts);
    closing.push(() => scheduler.stop());
    await eventually(scheduler.health, ({ ok }) => ok, { timeoutMs: 30_000, what: `a ready scheduler ${host}` });
  }
}, 180_000);
afterAll(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

function connect(service: string, id: string, user = service) {
  const transport = broker.connect({ service, id, user });
  closing.push(() => transport.close());
  return transport;
}

async function register(host: string): Promise<void> {
  const inventory = Object.assign(new Inventory(), {
    ...{ vcpus: 64, memoryMb: PLACES_PER_HOST * FLAVOR.memoryMb, diskGb: 1_000, hypervisorType: 'fake' },
  });
  const client = createClient(connect('compute', host, `compute.${host}`), hostReportsContract);
  await client.register(Object.assign(new HostRegistration(), { host, node: host, version, driver: 'fake', inventory }));
}

const scope = () => Object.assign(new Scope(), { userId: 'ann', projectId: 'demo', admin: true, requestId: `req-${systemRandom.uuid()}` });

/** One request for each server, so many at a time; then until each has a host or an end. */
async function create(count: number): Promise<Readonly<Record<string, number>>> {
  const client = createClient(connect('api', systemRandom.uuid()), conductorContract);
  let next = 0;
  const some = async () => {
    while (next++ < count) {
      const request = { scope: scope(), idempotencyKey: systemRandom.uuid(), bodyHash: '', name: 'web', flavorId: FLAVOR.flavorId };
      await client.createServers(Object.assign(new CreateServers(), request));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, some));
  const rows = () =>
    database.query<{ state: string; servers: number }>(
      `select case when host is not null then 'placed' when vm_state = 'error' then 'refused' else 'waiting' end as state,
         count(*)::int as servers from instances group by 1`,
    );
  const done = await eventually(rows, (found) => found.every(({ state }) => state !== 'waiting'), {
    timeoutMs: 60_000,
    what: 'no server that waits for a host',
  });
  return Object.fromEntries(done.map(({ state, servers }) => [state, servers]));
}

/** Of both conductors. */
async function claims(result: string): Promise<number> {
  let sum = 0;
  for (const registry of registries) {
    const { values } = await registry.getSingleMetric('kilonova_claims_total')!.get();
    for (const { labels, value } of values) if (labels['result'] === result) sum += value;
  }
  return sum;
}

test('as long as there is room, four schedulers lose few claims to each other', { timeout: 180_000 }, async () => {
  const client = createClient(connect('api', 'flavors'), conductorContract);
  await client.createFlavor(Object.assign(new CreateFlavor(), { scope: scope(), flavor: FLAVOR }));
  expect(await create(ROOMY)).toEqual({ placed: ROOMY });
  const [first, alternate, lost] = [await claims('first'), await claims('alternate'), await claims('lost')];
  expect(first + alternate).toBe(ROOMY);
  expect(lost, `${alternate} on alternates`).toBeLessThan(MOST_LOST * ROOMY);
});

test('they fill hosts to the last place', { timeout: 180_000 }, async () => {
  expect(await create(PLACES - ROOMY)).toEqual({ placed: PLACES });
  const perHost = await database.query<{ claimed: number }>(
    `select count(*)::int as claimed from allocations group by host having count(*) <> ${PLACES_PER_HOST}`,
  );
  expect(perHost).toEqual([]);
});

test('whoever comes to full hosts is refused, and takes nothing from anybody', { timeout: 180_000 }, async () => {
  expect(await create(10)).toEqual({ placed: PLACES, refused: 10 });
  const over = await database.query(`select host from hosts where memory_mb_used > memory_mb_limit or vcpus_used > vcpus_limit`);
  expect(over).toEqual([]);
});
