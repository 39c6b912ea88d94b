/**
 * Conductors, scheduler, agents and the broker are killed with -9 while servers are created, stopped, moved and deleted. Afterwards every
 * accepted request has exactly one result, and nothing is left over. KILONOVA_TEST_KILLS and KILONOVA_TEST_SEED choose a longer or another run.
 */
import { seededRandom } from '@kilonova/runtime';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startCloud, type Cloud } from '../support/cloud.ts';
import { eventually } from '../support/eventually.ts';
import { InvariantWatch, violations } from './invariants.ts';
import { killOne, Moments } from './kills.ts';
import { Workload } from './workload.ts';

const kills = Number(process.env['KILONOVA_TEST_KILLS'] ?? 16);
const seed = Number(process.env['KILONOVA_TEST_SEED'] ?? 20_261_120);

let cloud: Cloud;

beforeAll(async () => {
  cloud = await startCloud({
    conductors: 2,
    hosts: 3,
    config: {
      fake: {
        latency_ms: {
          spawn: 60,
          remove: 20,
          stop: 30,
          start: 30,
          reboot: 30,
          prepareIncoming: 30,
          migrateOut: 60,
          finishIncoming: 30,
          takeBack: 30,
        },
        faults: { flaky: { host: '*', verb: 'spawn', effect: 'fail', probability: 0.05, message: 'flaky' } },
      },
      quota: { instances: 200, cores: 200, ram: 1_000_000 },
    },
  });
});

afterAll(() => cloud?.stop());

test(`${kills} kills lose nothing, double nothing and leave nothing behind`, async () => {
  console.log(`seed ${seed}`);
  const random = seededRandom(seed);
  const client = cloud.client();
  for (const [id, ram] of [
    ['crash', 256],
    ['crash-large', 512],
  ] as const)
    await client.expect('POST', '/flavors', { body: { flavor: { name: id, ram, vcpus: 1, disk: 1, id } } });
  const workload = new Workload({
    client,
    random: seededRandom(seed + 1),
    flavorId: 'crash',
    otherFlavorId: 'crash-large',
    imageId: await cloud.imageId(),
    workers: 6,
    multiEvery: 6,
  });
  const moments = new Moments();
  const watch = new InvariantWatch(cloud);
  workload.start();
  watch.start();
  for (let kill = 0; kill < kills; kill += 1) await killOne(cloud, random, moments);
  await workload.stop();

  await eventually(
    () =>
      cloud.database.query(
        `select kind, state, step, attempts, failure, cancel from tasks where state in ('running', 'parked', 'unwinding')`,
      ),
    (live) => live.length === 0,
    { timeoutMs: 120_000, everyMs: 250, what: 'the end of every task' },
  );
  await eventually(
    () => cloud.database.query('select * from cleanups'),
    (left) => left.length === 0,
    { timeoutMs: 60_000, everyMs: 250, what: 'the end of every cleanup' },
  );
  console.log(
    `${workload.requests.length} requests accepted, ${workload.unanswered} attempts without an answer, ${watch.looks} looks at the invariants\n${moments.toString()}`,
  );

  expect(workload.wrong).toEqual([]);
  expect(await watch.stop()).toEqual([]);
  expect(await violations(cloud, workload.requests)).toEqual([]);
  expect(moments.inFlight).toBe(moments.kills);
  expect(workload.requests.length).toBeGreaterThan(kills);
});
