import { ActOnServer } from '@kilonova/objects';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { ConductorConfig, DatabaseConfig } from '../config.ts';
import { insertFlavor } from '../db/flavors.ts';
import { Cloud } from './cloud.ts';
import { freshDatabase, type FreshDatabase } from './fresh-database.ts';
import type { Mishap } from './mortal-database.ts';
import type { Verb } from './scripted-host.ts';
import { aFlavor, anAdmin, aRequest } from './services.ts';

/** What tests of tasks have: a cloud per test, on one database. */
export interface Stage {
  readonly cloud: Cloud;
  /** For what operators do to the database itself. */
  readonly database: DatabaseConfig;
  act(uuid: string, action: string, options?: Record<string, string>): Promise<unknown>;
  rows<Row = Record<string, unknown>>(sql: string): Promise<Row[]>;
  /** In the order of their making. */
  servers(): Promise<Record<string, unknown>[]>;
  /** One that is ACTIVE. */
  aServer(): Promise<string>;
}

/** To be called once at the top of a test file. Flavors: `1`, and the larger `2` and smaller `3`. */
export function stage(config: Partial<ConductorConfig> = {}): Stage {
  let database: FreshDatabase;
  let cloud: Cloud;
  beforeAll(async () => {
    database = await freshDatabase();
  });
  afterAll(() => database.close());
  beforeEach(async () => {
    await database.knex.raw(
      'truncate instances, aggregates, hosts, services, flavors, quota_usages, quotas, server_groups, tasks, idempotency_keys, conductors, cleanups cascade',
    );
    await insertFlavor(database.knex, aFlavor({ vcpus: 2 }));
    await insertFlavor(database.knex, aFlavor({ flavorId: '2', name: 'm1.small', vcpus: 3, memoryMb: 2_048, rootGb: 2 }));
    await insertFlavor(database.knex, aFlavor({ flavorId: '3', name: 'm1.nano', vcpus: 1, memoryMb: 256, rootGb: 1 }));
    cloud = new Cloud(database, { maxAttempts: 2, ...config });
    await cloud.startScheduler();
  });
  afterEach(() => cloud.stop());

  const rows = async <Row = Record<string, unknown>>(sql: string) => ((await database.knex.raw(sql)) as { rows: Row[] }).rows;
  const servers = () =>
    rows(`select vm_state as "vmState", task_state as "taskState", host, flavor_id as "flavorId" from instances order by launch_index`);
  return {
    get cloud() {
      return cloud;
    },
    get database() {
      return database.config;
    },
    act: (uuid, action, options = {}) => cloud.act(Object.assign(new ActOnServer(), { scope: anAdmin(), uuid, action, options })),
    rows,
    servers,
    async aServer() {
      const { serverUuids } = await cloud.create(aRequest());
      await expect.poll(servers, { timeout: 5_000, interval: 10 }).toMatchObject([{ vmState: 'active' }]);
      return serverUuids[0]!;
    },
  };
}

/** As if the host had not been heard for long. */
export async function silence({ rows }: Pick<Stage, 'rows'>, host: string): Promise<void> {
  await rows(`update services set last_seen_at = null where host = '${host}'`);
  await rows(`update hosts set up = false where host = '${host}'`);
}

/** A cast step and the order that it gives. */
export interface OrderStep {
  readonly kind: string;
  readonly step: string;
  readonly verb: Verb;
}

export interface Story {
  readonly title: string;
  /** The tasks that it is the story of, by kind. */
  readonly drives: readonly string[];
  /** Orders on its way that are overtaken by what takes them back. */
  readonly orders?: readonly OrderStep[];
  /** Before the conductor is in danger. */
  readonly prepare?: () => Promise<string>;
  readonly request: (uuid: string) => Promise<unknown>;
  readonly ends: readonly object[];
  /** Transactions from the request to the end, at least. */
  readonly transactions: number;
  readonly hosts?: readonly string[];
  /** The way out of another story: two of the four mishaps show what is its own. */
  readonly brief?: true;
}

const mishaps: readonly Mishap[] = ['fails', 'is committed without an answer', 'dies before the commit', 'dies after the commit'];

const brief: readonly Mishap[] = ['is committed without an answer', 'dies before the commit'];

/**
 * Every transaction on a task's way fails once, is committed without an answer, and is the last one of its conductor,
 * before or after its commit; every order is said twice, and comes only after what takes it back. Whatever happens, the
 * story ends as it should and nothing is left over.
 */
export function tellStories(scene: Stage, stories: readonly Story[]): void {
  describe.each(stories)('$title', (story) => {
    // The request itself is transaction 1: what happens to it is the caller's affair, unless it is accepted.
    const chosen = story.brief === true ? mishaps.filter((mishap) => brief.includes(mishap)) : mishaps;
    const points = chosen.flatMap((mishap) => Array.from({ length: story.transactions }, (_, index) => ({ mishap, at: index + 1 })));
    const begin = async () => {
      const conductor = await scene.cloud.startConductor('c1');
      for (const host of story.hosts ?? ['h1', 'h2']) await scene.cloud.startHost(host);
      return { conductor, uuid: (await story.prepare?.()) ?? '', hosts: [...scene.cloud.hosts.values()] };
    };

    test.each(points.filter(({ at, mishap }) => at > 1 || mishap === 'dies after the commit'))(
      'ends well when transaction $at $mishap',
      async ({ mishap, at }) => {
        const { cloud } = scene;
        const { conductor: one, uuid } = await begin();
        one.life.arm(at, mishap);
        const asked = story.request(uuid).catch(() => undefined);
        if (mishap.startsWith('dies')) {
          await Promise.race([one.life.happened, asked.then(() => cloud.settled())]);
          await one.kill();
          await cloud.startConductor('c2');
        } else await asked;
        await cloud.settled();
        expect(one.life.met()).toBe(true);
        expect(await scene.servers()).toMatchObject(story.ends);
        await cloud.assertNothingLeftOver();
      },
    );

    test('ends well when every order is heard twice', async () => {
      const { uuid, hosts } = await begin();
      for (const host of hosts) host.hearsTwice = true;
      await story.request(uuid);
      await scene.cloud.settled();
      const kinds = (await scene.rows<{ kind: string }>('select distinct kind from tasks')).map(({ kind }) => kind);
      expect(kinds).toEqual(expect.arrayContaining([...story.drives]));
      expect(await scene.servers()).toMatchObject(story.ends);
      await scene.cloud.assertNothingLeftOver();
    });

    test.each(story.orders ?? [])('leaves nothing behind when $step of $kind is overtaken by its undo', async ({ kind, step, verb }) => {
      const { uuid, hosts } = await begin();
      for (const host of hosts) host.awaited = verb;
      await story.request(uuid);
      const onTheirWay = () => hosts.flatMap((host) => host.onTheirWay);
      await expect.poll(onTheirWay, { interval: 5 }).not.toEqual([]);
      const tasks = await scene.rows<{ id: string }>(`select id from tasks where kind = '${kind}'`);
      expect(tasks.map(({ id }) => `${id}/${step}`)).toEqual(expect.arrayContaining([onTheirWay()[0]]));
      // Whatever is under way is taken back when the server goes.
      for (const { uuid: each } of await scene.rows<{ uuid: string }>('select uuid from instances')) await scene.act(each, 'delete');
      await scene.cloud.settled();
      for (const host of hosts) host.arrive();
      await expect.poll(() => hosts.every((host) => host.told), { interval: 5 }).toBe(true);
      await scene.cloud.settled();
      for (const server of await scene.servers()) expect(server).toMatchObject({ vmState: 'deleted', host: null });
      await scene.cloud.assertNothingLeftOver();
    });
  });
}

/** A server that is gone already is deleted. */
export const unlessGone = (error: { code?: string }): void => {
  if (error.code !== 'ServerNotFound') throw error as Error;
};
