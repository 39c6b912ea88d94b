import { ActOnServer } from '@kilonova/objects';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { insertFlavor } from '../db/flavors.ts';
import { Cloud } from '../testing/cloud.ts';
import { freshDatabase, type FreshDatabase } from '../testing/fresh-database.ts';
import { aFlavor, anAdmin, aRequest } from '../testing/services.ts';

let database: FreshDatabase;
let cloud: Cloud;

beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.close());
beforeEach(async () => {
  await database.knex.raw(
    'truncate instances, hosts, services, flavors, quota_usages, tasks, idempotency_keys, conductors, cleanups cascade',
  );
  await insertFlavor(database.knex, aFlavor());
});
afterEach(() => cloud.stop());

/** Nothing is looked at again, and no order said again, before the test has given up. */
const PATIENT = { strandedMs: 600_000, resendMinMs: 600_000, resendMaxMs: 600_000 };

const states = async () =>
  ((await database.knex.raw(`select vm_state from instances where deleted_at is null`)) as { rows: { vm_state: string }[] }).rows.map(
    ({ vm_state: state }) => state,
  );

async function aCloud() {
  cloud = new Cloud(database, PATIENT);
  await cloud.startScheduler();
  const conductor = await cloud.startConductor('c1');
  await cloud.startHost('h1');
  return conductor;
}

const act = (uuid: string, action: string) => cloud.act(Object.assign(new ActOnServer(), { scope: anAdmin(), uuid, action, options: {} }));
/** Of an attempt whose answer may be lost. */
const orLost = (error: { code?: string }) => {
  if (error.code !== 'DatabaseUnavailable') throw error as Error;
};

test.each([1, 2, 3])('a create goes on at once when the answer to the commit of its transaction %i is lost', async (at) => {
  const { life } = await aCloud();
  life.arm(at, 'is committed without an answer');
  await cloud.create(aRequest()).catch(orLost);
  await cloud.settled();
  expect(life.met()).toBe(true);
  expect(await states()).toEqual(['active']);
  await cloud.assertNothingLeftOver();
});

test.each([
  ['stop', 1, ['stopped']],
  ['stop', 2, ['stopped']],
  ['delete', 1, []],
  ['delete', 2, []],
  ['resize', 1, ['active']],
] as const)('a %s goes on at once when the answer to the commit of its transaction %i is lost', async (action, at, expected) => {
  const { life } = await aCloud();
  const { serverUuids } = await cloud.create(aRequest());
  await cloud.settled();
  life.arm(at, 'is committed without an answer');
  if (action === 'resize') {
    // Alone in its transaction, and without another host for it it ends where it began.
    await insertFlavor(database.knex, aFlavor({ flavorId: 'other', name: 'other' }));
    await cloud
      .act(Object.assign(new ActOnServer(), { scope: anAdmin(), uuid: serverUuids[0]!, action, options: { flavorId: 'other' } }))
      .catch(orLost);
  } else await act(serverUuids[0]!, action).catch(orLost);
  await cloud.settled();
  expect(life.met()).toBe(true);
  expect(await states()).toEqual(expected);
  await cloud.assertNothingLeftOver();
});
