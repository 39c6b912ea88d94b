/**
 * Every task through one harness: every transaction on its way fails once, is committed without an answer, and is the last
 * one of its conductor, before or after its commit. Whatever happens, it ends as it should and nothing is left over.
 */
import { ActOnServer } from '@kilonova/objects';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Cloud } from '../testing/cloud.ts';
import { freshDatabase, type FreshDatabase } from '../testing/fresh-database.ts';
import type { Mishap } from '../testing/mortal-database.ts';
import { aFlavor, anAdmin, aRequest } from '../testing/services.ts';
import { insertFlavor } from '../db/flavors.ts';

let database: FreshDatabase;
let cloud: Cloud;

beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.close());
beforeEach(async () => {
  await database.knex.raw(
    'truncate instances, aggregates, hosts, services, flavors, quota_usages, tasks, idempotency_keys, conductors, cleanups cascade',
  );
  await insertFlavor(database.knex, aFlavor());
  cloud = new Cloud(database, { maxAttempts: 2 });
  await cloud.startScheduler();
});
afterEach(() => cloud.stop());

const act = (uuid: string, action: string, options: Record<string, string> = {}) =>
  cloud.act(Object.assign(new ActOnServer(), { scope: anAdmin(), uuid, action, options }));
const rows = async <Row = Record<string, unknown>>(sql: string) => ((await database.knex.raw(sql)) as { rows: Row[] }).rows;
const servers = () => rows(`select vm_state as "vmState", task_state as "taskState", host from instances order by launch_index`);

async function aServer(): Promise<string> {
  const { serverUuids } = await cloud.create(aRequest());
  await expect.poll(servers, { timeout: 5_000, interval: 10 }).toMatchObject([{ vmState: 'active' }]);
  return serverUuids[0]!;
}

const unlessGone = (error: { code?: string }) => {
  if (error.code !== 'ServerNotFound') throw error;
};

interface Story {
  readonly title: string;
  /** Before the conductor is in danger. */
  readonly prepare?: () => Promise<string>;
  readonly request: (uuid: string) => Promise<unknown>;
  readonly ends: readonly object[];
  /** Transactions from the request to the end, at least. */
  readonly transactions: number;
}

const first = () => [...cloud.hosts.values()][0]!;
const stories: readonly Story[] = [
  {
    title: 'a create of two servers',
    request: () => cloud.create(aRequest({ minCount: 2, maxCount: 2 })),
    ends: [{ vmState: 'active' }, { vmState: 'active' }],
    transactions: 4,
  },
  {
    title: 'a create that the first host fails',
    request: () => {
      first().behaviour.spawn = 'fail';
      return cloud.create(aRequest());
    },
    ends: [{ vmState: 'active', host: 'h2' }],
    transactions: 7,
  },
  {
    title: 'a create that no host can do',
    request: () => {
      for (const host of cloud.hosts.values()) host.behaviour.spawn = 'fail';
      return cloud.create(aRequest());
    },
    ends: [{ vmState: 'error', host: null }],
    transactions: 8,
  },
  {
    title: 'a delete',
    prepare: aServer,
    request: (uuid) => act(uuid, 'delete'),
    ends: [{ vmState: 'deleted', host: null }],
    transactions: 2,
  },
  {
    title: 'a delete that the host refuses at first',
    prepare: aServer,
    request: (uuid) => {
      first().behaviour.remove = 'fail';
      setTimeout(() => (first().behaviour.remove = 'do'), 100);
      return act(uuid, 'delete');
    },
    ends: [{ vmState: 'deleted', host: null }],
    transactions: 3,
  },
  {
    title: 'a stop',
    prepare: aServer,
    request: (uuid) => act(uuid, 'stop'),
    ends: [{ vmState: 'stopped', taskState: null }],
    transactions: 3,
  },
  {
    title: 'a start',
    prepare: async () => {
      const uuid = await aServer();
      await act(uuid, 'stop');
      await cloud.settled();
      return uuid;
    },
    request: (uuid) => act(uuid, 'start'),
    ends: [{ vmState: 'active', taskState: null }],
    transactions: 3,
  },
  {
    title: 'a hard reboot',
    prepare: aServer,
    request: (uuid) => act(uuid, 'reboot', { type: 'HARD' }),
    ends: [{ vmState: 'active', taskState: null }],
    transactions: 3,
  },
  {
    title: 'a stop that the host refuses',
    prepare: aServer,
    request: (uuid) => {
      first().behaviour.powerOff = 'fail';
      return act(uuid, 'stop');
    },
    ends: [{ vmState: 'active', taskState: null }],
    transactions: 3,
  },
];
const mishaps: readonly Mishap[] = ['fails', 'is committed without an answer', 'dies before the commit', 'dies after the commit'];

describe.each(stories)('$title', (story) => {
  // The request itself is transaction 1: what happens to it is the caller's affair, unless it is accepted.
  const points = mishaps.flatMap((mishap) => Array.from({ length: story.transactions }, (_, index) => ({ mishap, at: index + 1 })));

  test.each(points.filter(({ at, mishap }) => at > 1 || mishap === 'dies after the commit'))(
    'ends well when transaction $at $mishap',
    async ({ mishap, at }) => {
      const one = await cloud.startConductor('c1');
      await cloud.startHost('h1');
      await cloud.startHost('h2');
      const uuid = (await story.prepare?.()) ?? '';
      one.life.arm(at, mishap);
      const asked = story.request(uuid).catch(() => undefined);
      if (mishap.startsWith('dies')) {
        await Promise.race([one.life.happened, asked.then(() => cloud.settled())]);
        await one.kill();
        await cloud.startConductor('c2');
      } else await asked;
      await cloud.settled();
      expect(one.life.met()).toBe(true);
      expect(await servers()).toMatchObject(story.ends);
      await cloud.assertNothingLeftOver();
    },
  );
});

describe('a delete during a create', () => {
  const moments = (['meets something inside', 'meets something after its commit'] as const).flatMap((moment) =>
    [2, 3, 4, 5, 6].flatMap((at) => (['do', 'fail', 'ignore'] as const).map((spawn) => ({ moment, at, spawn }))),
  );

  test.each(moments)(
    'ends in a server that is gone, when transaction $at $moment and hosts "$spawn" the spawn',
    async ({ moment, at, spawn }) => {
      const { life } = await cloud.startConductor('c1');
      for (const name of ['h1', 'h2', 'h3']) (await cloud.startHost(name)).behaviour.spawn = spawn;
      let uuid = '';
      const removeNow = () => act(uuid, 'delete').catch(unlessGone);
      const remove = async () => {
        await expect.poll(() => uuid, { interval: 2 }).not.toBe('');
        await removeNow();
      };
      life.arm(at, moment, remove);
      [uuid] = (await cloud.create(aRequest())).serverUuids as [string];
      // A create that is over before then is deleted all the same.
      const ended = cloud.settled(2_000).catch(() => undefined);
      await Promise.race([life.happened, ended]);
      if (!(await Promise.race([life.happened.then(() => true), ended.then(() => false)]))) await removeNow();
      await cloud.settled();
      expect(await servers()).toMatchObject([{ vmState: 'deleted', host: null }]);
      await cloud.assertNothingLeftOver();
      expect(await rows('select instances::int, cores::int, ram::int from quota_usages')).toEqual([
        { instances: 0, cores: 0, ram: 0 },
        { instances: 0, cores: 0, ram: 0 },
      ]);
    },
  );
});
