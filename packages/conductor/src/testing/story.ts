import { ActOnServer } from '@kilonova/objects';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { ConductorConfig } from '../config.ts';
import { insertFlavor } from '../db/flavors.ts';
import { Cloud } from './cloud.ts';
import { freshDatabase, type FreshDatabase } from './fresh-database.ts';
import type { Mishap } from './mortal-database.ts';
import { aFlavor, anAdmin, aRequest } from './services.ts';

/** What tests of tasks have: a cloud per test, on one database. */
export interface Stage {
  readonly cloud: Cloud;
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

export interface Story {
  readonly title: string;
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
 * before or after its commit. Whatever happens, the story ends as it should and nothing is left over.
 */
export function tellStories(scene: Stage, stories: readonly Story[]): void {
  describe.each(stories)('$title', (story) => {
    // The request itself is transaction 1: what happens to it is the caller's affair, unless it is accepted.
    const chosen = story.brief === true ? mishaps.filter((mishap) => brief.includes(mishap)) : mishaps;
    const points = chosen.flatMap((mishap) => Array.from({ length: story.transactions }, (_, index) => ({ mishap, at: index + 1 })));

    test.each(points.filter(({ at, mishap }) => at > 1 || mishap === 'dies after the commit'))(
      'ends well when transaction $at $mishap',
      async ({ mishap, at }) => {
        const { cloud } = scene;
        const one = await cloud.startConductor('c1');
        for (const host of story.hosts ?? ['h1', 'h2']) await cloud.startHost(host);
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
        expect(await scene.servers()).toMatchObject(story.ends);
        await cloud.assertNothingLeftOver();
      },
    );
  });
}

/** A server that is gone already is deleted. */
export const unlessGone = (error: { code?: string }): void => {
  if (error.code !== 'ServerNotFound') throw error as Error;
};
