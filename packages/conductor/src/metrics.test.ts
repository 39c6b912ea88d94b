import { silentLogger } from '@kilonova/runtime';
import { Registry } from 'prom-client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openDatabase, poolOf } from './db/connection.ts';
import { databaseMetrics } from './metrics.ts';
import { ClaimCounts } from './tasks/claim-counts.ts';
import { freshDatabase, type FreshDatabase } from './testing/fresh-database.ts';

let database: FreshDatabase;

beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.close());

test('an operator sees for how long tasks wait in vain, and the connections in use against their limit', async () => {
  const registry = new Registry();
  const end = databaseMetrics(registry, database.knex, silentLogger, ['toy']);
  await database.knex.raw(`
    insert into tasks (id, kind, version, request_id, state, params, deadline_at, finished_at, wake_at)
    select gen_random_uuid(), 'toy', 1, 'req-1', state, '{}', kilonova_now(), case when state = 'done' then kilonova_now() end,
      kilonova_now() - late * interval '1 second'
    from (values ('running', 50), ('parked', 90), ('done', 500), ('running', -30)) as tasks (state, late)`);
  const text = await registry.metrics();
  const figure = (name: string) => Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1]);
  expect(Math.floor(figure('kilonova_tasks_due_seconds') / 10)).toBe(9);
  expect(figure('kilonova_database_connections_limit')).toBe(poolOf(database.knex).limit);
  expect(text).toMatch(/^kilonova_database_connections\{state="used"\} \d+$/m);
  end();
});

test('what there is none of is shown as 0, so that a rule can match it', async () => {
  await database.knex.raw('delete from tasks');
  const registry = new Registry();
  const end = databaseMetrics(registry, database.knex, silentLogger, ['toy']);
  expect(new ClaimCounts(registry)).toBeDefined();
  const lines = (await registry.metrics()).split('\n');
  expect(lines.filter((line) => /^kilonova_(tasks|strays|claims_total)\{/.test(line)).toSorted()).toEqual([
    ...['alternate', 'first', 'lost'].map((result) => `kilonova_claims_total{result="${result}"} 0`),
    ...['newer', 'outdated', 'released', 'unknown', 'unreleased'].map((standing) => `kilonova_strays{standing="${standing}"} 0`),
    ...['parked', 'running', 'unwinding'].map((state) => `kilonova_tasks{kind="toy",state="${state}"} 0`),
  ]);
  end();
});

test('who waits for a connection is counted while all are in use', async () => {
  const knex = openDatabase({ ...database.config, poolMax: 2 });
  try {
    const held = [await knex.transaction(), await knex.transaction()];
    const waiting = [knex.raw('select 1'), knex.raw('select 2')];
    for (const each of waiting) void each.then(() => undefined);
    await expect.poll(() => poolOf(knex)).toEqual({ used: 2, free: 0, waiting: 2, limit: 2 });
    for (const transaction of held) await transaction.rollback();
    await Promise.all(waiting);
    await expect.poll(() => poolOf(knex)).toMatchObject({ used: 0, waiting: 0 });
  } finally {
    await knex.destroy();
  }
});
