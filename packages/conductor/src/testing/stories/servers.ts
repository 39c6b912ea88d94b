import { systemClock } from '@kilonova/runtime';
import { aRequest } from '../services.ts';
import type { Stage, Story } from '../story.ts';

/** Creates, deletes and power. */
export function serverStories(scene: Stage): readonly Story[] {
  const { act, aServer } = scene;
  const first = () => [...scene.cloud.hosts.values()][0]!;
  return [
    {
      title: 'a create of two servers',
      drives: ['create-servers', 'build-instance'],
      orders: [{ kind: 'build-instance', step: 'askSpawn', verb: 'spawn' }],
      request: () => scene.cloud.create(aRequest({ minCount: 2, maxCount: 2 })),
      ends: [{ vmState: 'active' }, { vmState: 'active' }],
      transactions: 4,
    },
    {
      title: 'a create that the first host fails',
      drives: ['create-servers', 'build-instance'],
      request: () => {
        first().behaviour.spawn = 'fail';
        return scene.cloud.create(aRequest());
      },
      ends: [{ vmState: 'active', host: 'h2' }],
      transactions: 6,
    },
    {
      title: 'a create that no host can do',
      drives: ['create-servers', 'build-instance'],
      request: () => {
        for (const host of scene.cloud.hosts.values()) host.behaviour.spawn = 'fail';
        return scene.cloud.create(aRequest());
      },
      ends: [{ vmState: 'error', host: null }],
      transactions: 7,
    },
    {
      title: 'a delete',
      drives: ['delete-instance'],
      prepare: aServer,
      request: (uuid) => act(uuid, 'delete'),
      ends: [{ vmState: 'deleted', host: null }],
      transactions: 2,
    },
    {
      title: 'a delete that the host refuses at first',
      drives: ['delete-instance'],
      prepare: aServer,
      request: (uuid) => {
        first().behaviour.remove = 'fail';
        systemClock.after(100, () => (first().behaviour.remove = 'do'));
        return act(uuid, 'delete');
      },
      ends: [{ vmState: 'deleted', host: null }],
      transactions: 3,
    },
    {
      title: 'a stop',
      drives: ['stop-instance'],
      orders: [{ kind: 'stop-instance', step: 'ask', verb: 'powerOff' }],
      prepare: aServer,
      request: (uuid) => act(uuid, 'stop'),
      ends: [{ vmState: 'stopped', taskState: null }],
      transactions: 3,
    },
    {
      title: 'a start',
      drives: ['start-instance'],
      orders: [{ kind: 'start-instance', step: 'ask', verb: 'powerOn' }],
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
      drives: ['reboot-instance'],
      orders: [{ kind: 'reboot-instance', step: 'ask', verb: 'reboot' }],
      prepare: aServer,
      request: (uuid) => act(uuid, 'reboot', { type: 'HARD' }),
      ends: [{ vmState: 'active', taskState: null }],
      transactions: 3,
    },
    {
      title: 'a stop that the host refuses',
      drives: ['stop-instance'],
      prepare: aServer,
      request: (uuid) => {
        first().behaviour.powerOff = 'fail';
        return act(uuid, 'stop');
      },
      ends: [{ vmState: 'active', taskState: null }],
      transactions: 3,
    },
  ];
}
