import { expect, test } from 'vitest';
import { stage, type Story, tellStories, unlessGone } from '../../testing/story.ts';

const scene = stage({ allowResizeToSameHost: true });
const { act, aServer } = scene;
const host = (name: string) => scene.cloud.hosts.get(name)!;
const resize = (uuid: string) => act(uuid, 'resize', { flavorId: '2' });

async function aResizedServer(): Promise<string> {
  const uuid = await aServer();
  await resize(uuid);
  await scene.cloud.settled();
  return uuid;
}

const resized = { vmState: 'resized', taskState: null, host: 'h1', flavorId: '2' };
const asBefore = { vmState: 'active', taskState: null, host: 'h1', flavorId: '1' };

const stories: readonly Story[] = [
  {
    drives: ['cold-move'],
    title: 'a resize on its own host',
    prepare: aServer,
    request: resize,
    ends: [resized],
    transactions: 6,
    hosts: ['h1'],
  },
  {
    drives: ['cold-move'],
    title: 'a resize that its own host cannot do',
    brief: true,
    prepare: aServer,
    request: (uuid) => {
      // The new flavor does not go, the old one does.
      host('h1').behaviour.takeBack = ({ generation }) => (generation === 2 ? 'fail' : 'do');
      return resize(uuid);
    },
    ends: [asBefore],
    transactions: 7,
    hosts: ['h1'],
  },
  {
    drives: ['cold-move'],
    title: 'a revert of a resize on its own host',
    prepare: aResizedServer,
    request: (uuid) => act(uuid, 'revertResize'),
    ends: [asBefore],
    transactions: 4,
    hosts: ['h1'],
  },
  {
    drives: ['cold-move'],
    title: 'a confirmation of a resize on its own host',
    brief: true,
    prepare: aResizedServer,
    request: (uuid) => act(uuid, 'confirmResize'),
    ends: [{ ...resized, vmState: 'active' }],
    transactions: 2,
    hosts: ['h1'],
  },
  {
    drives: ['cold-move'],
    title: 'a delete of a server that was resized on its own host',
    brief: true,
    prepare: aResizedServer,
    request: (uuid) => act(uuid, 'delete'),
    ends: [{ vmState: 'deleted', host: null }],
    transactions: 3,
    hosts: ['h1'],
  },
];
tellStories(scene, stories);

test('a hard reboot brings back a server that its host could neither resize nor take back', async () => {
  const { cloud } = scene;
  await cloud.startConductor('c1');
  await cloud.startHost('h1');
  const uuid = await aServer();
  host('h1').behaviour.takeBack = 'fail';
  await resize(uuid);
  await cloud.settled();
  expect(await scene.servers()).toMatchObject([{ vmState: 'error', taskState: null, host: 'h1', flavorId: '1' }]);
  await act(uuid, 'reboot', { type: 'HARD' });
  await cloud.settled();
  expect(await scene.servers()).toMatchObject([asBefore]);
  await cloud.assertNothingLeftOver();
});

test.each([2, 3, 4, 5, 6])('a delete after transaction %i of a resize on its own host leaves nothing', async (at) => {
  const { cloud } = scene;
  const { life } = await cloud.startConductor('c1');
  await cloud.startHost('h1');
  const uuid = await aServer();
  const remove = () => act(uuid, 'delete').catch(unlessGone);
  life.arm(at, 'meets something inside', remove);
  await resize(uuid);
  await life.happened;
  await cloud.settled();
  expect(await scene.servers()).toMatchObject([{ vmState: 'deleted', host: null }]);
  await cloud.assertNothingLeftOver();
});
