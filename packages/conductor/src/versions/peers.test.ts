import { MAJOR, MINOR, version } from '@kilonova/objects';
import { createMetrics, silentLogger, systemClock, type Clock } from '@kilonova/runtime';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { insertFlavor } from '../db/flavors.ts';
import { Cloud } from '../testing/cloud.ts';
import { freshDatabase, type FreshDatabase } from '../testing/fresh-database.ts';
import { aFlavor, aRequest, testServices } from '../testing/services.ts';
import { PeerVersions } from './peers.ts';

const older = `${MAJOR}.0`;
const DOWN_MS = 60_000;

let database: FreshDatabase;
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.close());
beforeEach(async () => {
  await database.knex.raw(
    'truncate instances, hosts, services, flavors, quota_usages, tasks, idempotency_keys, conductors, cleanups cascade',
  );
});

/** A row as a service writes it, seen so many seconds ago. */
const aService = (binary: string, host: string, spoken: string, secondsAgo = 0) =>
  database.knex.raw(
    `insert into services (uuid, "binary", host, version, last_seen_at)
     values (gen_random_uuid(), :binary, :host, :spoken, kilonova_now() - cast(:secondsAgo as double precision) * interval '1 second')
     on conflict (host, "binary") do update set version = excluded.version, last_seen_at = excluded.last_seen_at`,
    { binary, host, spoken, secondsAgo },
  );

function peers(fixed?: string) {
  let passed = 0;
  const clock: Clock = { ...systemClock, monotonic: () => systemClock.monotonic() + passed };
  const metrics = createMetrics('test', { ofProcess: false });
  const { config } = testServices(database);
  const versions = new PeerVersions({ knex: database.knex, clock, log: silentLogger, metrics, config }, fixed);
  const figures = async () =>
    Object.fromEntries(
      [...(await metrics.metrics()).matchAll(/^(kilonova_\w+)\{(?:peer="(\w+)")?[^}]*\} (\d+)$/gm)].map(([, name, peer, value]) => [
        peer ?? name,
        Number(value),
      ]),
    );
  return { versions, figures, pass: (ms: number) => (passed += ms) };
}

test('schedulers are spoken to as the oldest that lives understands, hosts each as it does', async () => {
  for (const [host, spoken, secondsAgo] of [
    ['s1', version, 0],
    ['s2', older, 1],
    ['s3', `${MAJOR}.${MINOR + 1}`, 0],
    ['s4', `${MAJOR + 1}.0`, 0],
  ] as const)
    await aService('nova-scheduler', host, spoken, secondsAgo);
  await aService('nova-conductor', 'c1', version);
  await aService('nova-conductor', 'gone', older, DOWN_MS / 1_000 + 1);
  await aService('nova-compute', 'h1', older, 3_600);
  await aService('nova-compute', 'h2', version);
  await aService('nova-compute', 'h3', `${MAJOR}.${MINOR + 1}`);
  const { versions, figures } = peers();
  await versions.refresh();
  expect(versions.ofSchedulers()).toBe(older);
  expect(versions.oldestConductor).toBe(version);
  expect(['h1', 'h2', 'h3', 'unheard'].map(versions.ofHost)).toEqual([older, version, version, version]);
  expect(await figures()).toEqual({ scheduler: 0, conductor: MINOR, kilonova_older_hosts: 1 });
});

test('a pin moves up when the last older service was silent for as long as a service may be', async () => {
  await aService('nova-scheduler', 's1', older);
  const { versions, pass } = peers();
  await versions.refresh();
  // The new one takes the name of the old one: its row says the new version at once.
  await aService('nova-scheduler', 's1', version);
  pass(DOWN_MS / 2);
  await versions.refresh();
  expect(versions.ofSchedulers()).toBe(older);
  pass(DOWN_MS / 2);
  await versions.refresh();
  expect(versions.ofSchedulers()).toBe(version);
});

test('an older service that comes back moves the pin down, whoever tells of it', () => {
  const { versions } = peers();
  versions.saw('nova-scheduler', older);
  versions.schedulerIsOlder({ server: undefined, asked: version, supported: older });
  versions.saw('nova-conductor', older);
  versions.registered('h1', older);
  expect([versions.ofSchedulers(), versions.oldestConductor, versions.ofHost('h1')]).toEqual([older, older, older]);
  versions.registered('h1', version);
  expect(versions.ofHost('h1')).toBe(version);
});

test('what an operator says is spoken, whatever lives', async () => {
  await aService('nova-scheduler', 's1', version);
  const { versions } = peers(older);
  await versions.start();
  expect([versions.ofSchedulers(), versions.ofHost('h1')]).toEqual([older, older]);
  await versions.stop();
});

test('a scheduler and a host that are older than was thought refuse by name, and the server is built all the same, at once', async () => {
  await insertFlavor(database.knex, aFlavor());
  // Nothing is sent again for being overdue within this test.
  const cloud = new Cloud(database, { resendMinMs: 600_000, resendMaxMs: 600_000, inquiryMs: 600_000 });
  try {
    await cloud.startConductor('c1');
    await cloud.startScheduler(older);
    const host = await cloud.startHost('h1', {}, older);
    await cloud.create(aRequest());
    await expect
      .poll(async () => (await database.knex('instances').pluck('vm_state')) as string[], { timeout: 10_000, interval: 20 })
      .toEqual(['active']);
    expect(host.heard.map(({ verb }) => verb)).toEqual(['spawn']);
  } finally {
    await cloud.stop();
  }
});
