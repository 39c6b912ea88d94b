import type { CreateServers, ServersCreated } from '@kilonova/objects';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { usageDifferences } from '../db/quota-usages.ts';
import { asRefusal } from '../db/refusals.ts';
import { createServerGroup } from '../handlers/server-groups.ts';
import { type FreshDatabase, freshDatabase } from '../testing/fresh-database.ts';
import { aHost, aRequest, aScope, someFlavors, testServices, type TestServices } from '../testing/services.ts';
import { admitCreates, createGate } from './create-servers.ts';

let database: FreshDatabase;
let services: TestServices;

beforeAll(async () => {
  database = await freshDatabase();
  services = testServices(database, { quota: { instances: -1, cores: -1, ram: -1 } });
  await someFlavors(services, {});
  await aHost(services, 'h1');
});
afterAll(() => database.close());
beforeEach(async () => {
  await database.knex.raw('truncate instances, quota_usages, tasks, idempotency_keys, server_groups, quotas cascade');
});

const instances = async () => (await database.knex('instances').select('*')) as Record<string, unknown>[];

/** All in one turn, so that they share a batch. */
const admitAll = (over: TestServices, requests: readonly CreateServers[]) => {
  const gate = createGate(over);
  return Promise.allSettled(requests.map((request) => gate.admit(request)));
};
const accepted = (outcomes: readonly PromiseSettledResult<ServersCreated>[]) =>
  outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
const refusals = (outcomes: readonly PromiseSettledResult<ServersCreated>[]) =>
  outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [asRefusal(outcome.reason) as { code: string; message: string }] : []));

test('thirty requests at the same time take as many statements as one', async () => {
  const statementsOf = async (count: number) => {
    let statements = 0;
    // The tasks are the engine's to write; its stand-in writes them singly.
    const note = ({ sql }: { readonly sql: string }) => (statements += sql.startsWith('insert into "tasks"') ? 0 : 1);
    database.knex.on('query', note);
    await admitCreates(
      services,
      Array.from({ length: count }, () => aRequest()),
    );
    database.knex.removeListener('query', note);
    return statements;
  };
  await statementsOf(1); // makes the project's rows of quota besides
  const one = await statementsOf(1);
  expect(await statementsOf(30)).toBe(one);
  expect(one).toBeGreaterThan(4);
  expect(one).toBeLessThanOrEqual(7);
  expect(await instances()).toHaveLength(32);
  expect(await usageDifferences(database.knex)).toEqual([]);
});

test('each request of a batch becomes its own servers, whatever else is refused beside it', async () => {
  const outcomes = await admitAll(services, [
    aRequest({ name: 'one', metadata: { tier: 'web' }, tags: ['a', 'b'] }),
    aRequest({ flavorId: 'none' }),
    aRequest({ name: 'two', minCount: 2, maxCount: 2, scope: aScope({ projectId: 'other', userId: 'bob' }), userData: 'aGk=' }),
  ]);
  expect(refusals(outcomes)).toEqual([expect.objectContaining({ code: 'FlavorInvalid' })]);
  const rows = await instances();
  expect(
    rows
      .map(({ name, project_id: project, user_id: user }) => ({ name, project, user }))
      .toSorted((a, b) => (String(a.name) < String(b.name) ? -1 : 1)),
  ).toEqual([
    { name: 'one', project: 'demo', user: 'ann' },
    { name: 'two-1', project: 'other', user: 'bob' },
    { name: 'two-2', project: 'other', user: 'bob' },
  ]);
  expect(rows.find(({ name }) => name === 'one')).toMatchObject({
    metadata: { tier: 'web' },
    tags: ['a', 'b'],
    user_data: null,
    image: null,
  });
  expect(new Set(accepted(outcomes).flatMap(({ serverUuids }) => serverUuids))).toEqual(new Set(rows.map(({ uuid }) => uuid)));
  const actions = (await database.knex('instance_actions').select('project_id', 'user_id', 'action')) as object[];
  expect(actions).toHaveLength(3);
  expect(await database.knex('tasks').select('id')).toHaveLength(2);
});

test('quota ends a batch in the middle: those before fit, those behind are refused, and usage equals a recount', async () => {
  const tight = testServices(database, { quota: { instances: 7, cores: -1, ram: -1 } });
  const outcomes = await admitAll(
    tight,
    Array.from({ length: 10 }, () => aRequest()),
  );
  expect(accepted(outcomes)).toHaveLength(7);
  expect(refusals(outcomes)).toEqual(
    Array.from({ length: 3 }, () =>
      expect.objectContaining({ code: 'QuotaExceeded', message: expect.stringContaining('already used 7 of 7 instances') }),
    ),
  );
  expect(await instances()).toHaveLength(7);
  expect(await usageDifferences(database.knex)).toEqual([]);
});

test('one key twice in a batch is one server, and the second is a replay', async () => {
  const outcomes = accepted(await admitAll(services, [aRequest({ idempotencyKey: 'k' }), aRequest({ idempotencyKey: 'k' })]));
  expect(outcomes.map(({ replayed }) => replayed)).toEqual([false, true]);
  expect(outcomes[1]!.serverUuids).toEqual(outcomes[0]!.serverUuids);
  expect(await instances()).toHaveLength(1);
});

test('a text that PostgreSQL cannot take is refused alone', async () => {
  const outcomes = await admitAll(
    services,
    ['one', 'a\0b', 'three', 'four', 'five'].map((name) => aRequest({ name })),
  );
  expect(refusals(outcomes)).toEqual([expect.objectContaining({ code: 'InvalidInput' })]);
  expect(new Set((await instances()).map(({ name }) => name))).toEqual(new Set(['one', 'three', 'four', 'five']));
});

test('a batch puts no more servers into a group than its quota', async () => {
  const few = testServices(database, { quota: { serverGroupMembers: 3, instances: -1 } });
  const group = await createServerGroup(few, { scope: aScope(), name: 'g', policy: 'anti-affinity', maxServersPerHost: null });
  const outcomes = await admitAll(
    few,
    Array.from({ length: 5 }, () => aRequest({ hints: { group: group.uuid } })),
  );
  expect(accepted(outcomes)).toHaveLength(3);
  expect(await instances()).toHaveLength(3);
});

test('a batch of which nothing is accepted leaves nothing', async () => {
  const none = testServices(database, { quota: { instances: 0 } });
  expect(refusals(await admitAll(none, [aRequest(), aRequest({ scope: aScope({ projectId: 'new' }) })]))).toHaveLength(2);
  for (const table of ['instances', 'tasks', 'idempotency_keys', 'quota_usages'])
    expect({ table, rows: await database.knex(table) }).toEqual({ table, rows: [] });
});
