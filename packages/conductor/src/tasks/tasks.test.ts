/**
 * Every task through one harness: every transaction on its way fails once, is committed without an answer, and is the last
 * one of its conductor, before or after its commit; every order is said twice, and is overtaken by what takes it back.
 * Whatever happens, it ends as it should and nothing is left over.
 */
import { describe, expect, test } from 'vitest';
import { aRequest } from '../testing/services.ts';
import { serverStories } from '../testing/stories/servers.ts';
import { stage, tellStories, unlessGone } from '../testing/story.ts';

const scene = stage();
const { act, rows, servers } = scene;

tellStories(scene, serverStories(scene));

describe('a delete during a create', () => {
  const moments = (['meets something inside', 'meets something after its commit'] as const).flatMap((moment) =>
    [2, 3, 4, 5, 6].flatMap((at) => (['do', 'fail', 'ignore'] as const).map((spawn) => ({ moment, at, spawn }))),
  );

  test.each(moments)(
    'ends in a server that is gone, when transaction $at $moment and hosts "$spawn" the spawn',
    async ({ moment, at, spawn }) => {
      const { cloud } = scene;
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
