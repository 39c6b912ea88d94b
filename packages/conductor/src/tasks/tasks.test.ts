/**
 * Every task through one harness: every transaction on its way fails once, is committed without an answer, and is the last
 * one of its conductor, before or after its commit. Whatever happens, it ends as it should and nothing is left over.
 */
import { describe, expect, test } from 'vitest';
import { aRequest } from '../testing/services.ts';
import { type Story, stage, tellStories, unlessGone } from '../testing/story.ts';

const scene = stage();
const { act, rows, servers, aServer } = scene;

const first = () => [...scene.cloud.hosts.values()][0]!;
const stories: readonly Story[] = [
  {
    title: 'a create of two servers',
    request: () => scene.cloud.create(aRequest({ minCount: 2, maxCount: 2 })),
    ends: [{ vmState: 'active' }, { vmState: 'active' }],
    transactions: 4,
  },
  {
    title: 'a create that the first host fails',
    request: () => {
      first().behaviour.spawn = 'fail';
      return scene.cloud.create(aRequest());
    },
    ends: [{ vmState: 'active', host: 'h2' }],
    transactions: 6,
  },
  {
    title: 'a create that no host can do',
    request: () => {
      for (const host of scene.cloud.hosts.values()) host.behaviour.spawn = 'fail';
      return scene.cloud.create(aRequest());
    },
    ends: [{ vmState: 'error', host: null }],
    transactions: 7,
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
      await scene.cloud.settled();
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
tellStories(scene, stories);

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
