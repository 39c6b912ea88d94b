import { expect } from 'vitest';
import { silence, type Stage, type Story } from '../story.ts';

export const atHome = [{ vmState: 'active', taskState: null, host: 'h1', flavorId: '1' }];
export const moved = [{ vmState: 'active', taskState: null, host: 'h2', flavorId: '1' }];
const resized = [{ vmState: 'resized', taskState: null, host: 'h2', flavorId: '2' }];

/** A server whose host was declared dead. */
export async function aStrandedServer(scene: Stage): Promise<string> {
  const uuid = await scene.aServer();
  await silence(scene, 'h1');
  return uuid;
}

/** Resizes, migrations, live ones and evacuations, and what ends them. */
export function moveStories(scene: Stage): readonly Story[] {
  const { act, aServer, servers } = scene;
  const resize = (uuid: string) => act(uuid, 'resize', { flavorId: '2' });
  const liveMigrate = (uuid: string) => act(uuid, 'liveMigrate', { async: 'true' });
  const failing = (name: string, verb: 'prepareIncoming' | 'migrateOut' | 'finishIncoming' | 'takeBack' | 'spawn') => {
    scene.cloud.hosts.get(name)!.behaviour[verb] = 'fail';
  };
  /** A server that was resized from h1 to h2 and waits for its confirmation. */
  const aResizedServer = async () => {
    const uuid = await aServer();
    await resize(uuid);
    await scene.cloud.settled();
    expect(await servers()).toMatchObject([{ vmState: 'resized', host: 'h2' }]);
    return uuid;
  };

  return [
    {
      title: 'a resize',
      drives: ['cold-move'],
      orders: [
        { kind: 'cold-move', step: 'askPrepare', verb: 'prepareIncoming' },
        { kind: 'cold-move', step: 'askTransfer', verb: 'migrateOut' },
        { kind: 'cold-move', step: 'askFinish', verb: 'finishIncoming' },
      ],
      prepare: aServer,
      request: (uuid) => resize(uuid),
      ends: resized,
      transactions: 7,
    },
    {
      title: 'a resize that no host has room for',
      drives: ['cold-move'],
      brief: true,
      prepare: aServer,
      request: (uuid) => {
        scene.cloud.choose = () => [];
        return resize(uuid);
      },
      ends: atHome,
      transactions: 3,
    },
    {
      title: 'a resize whose first destination cannot take it',
      drives: ['cold-move'],
      brief: true,
      hosts: ['h1', 'h2', 'h3'],
      prepare: aServer,
      request: (uuid) => {
        failing('h2', 'prepareIncoming');
        return resize(uuid);
      },
      ends: [{ ...resized[0], host: 'h3' }],
      transactions: 9,
    },
    {
      title: 'a resize that the source cannot send',
      drives: ['cold-move', 'restore-instance'],
      prepare: aServer,
      request: (uuid) => {
        failing('h1', 'migrateOut');
        return resize(uuid);
      },
      ends: atHome,
      transactions: 6,
    },
    {
      title: 'a migration that the destination cannot finish',
      drives: ['cold-move', 'restore-instance'],
      orders: [{ kind: 'restore-instance', step: 'askTakeBack', verb: 'takeBack' }],
      brief: true,
      prepare: aServer,
      request: (uuid) => {
        failing('h2', 'finishIncoming');
        return act(uuid, 'migrate');
      },
      ends: atHome,
      transactions: 8,
    },
    {
      title: 'a confirmation',
      drives: [],
      brief: true,
      prepare: aResizedServer,
      request: (uuid) => act(uuid, 'confirmResize'),
      ends: [{ ...resized[0], vmState: 'active' }],
      transactions: 2,
    },
    {
      title: 'a revert',
      drives: ['revert-resize'],
      orders: [
        { kind: 'revert-resize', step: 'askStop', verb: 'powerOff' },
        { kind: 'revert-resize', step: 'askTakeBack', verb: 'takeBack' },
      ],
      prepare: aResizedServer,
      request: (uuid) => act(uuid, 'revertResize'),
      ends: atHome,
      transactions: 4,
    },
    {
      title: 'a revert that the source cannot do',
      drives: ['revert-resize'],
      brief: true,
      prepare: aResizedServer,
      request: (uuid) => {
        failing('h1', 'takeBack');
        return act(uuid, 'revertResize');
      },
      ends: resized,
      transactions: 5,
    },
    {
      title: 'a delete of a resized server',
      drives: ['delete-instance'],
      brief: true,
      prepare: aResizedServer,
      request: (uuid) => act(uuid, 'delete'),
      ends: [{ vmState: 'deleted', host: null }],
      transactions: 3,
    },
    {
      title: 'a live migration',
      drives: ['live-move'],
      orders: [
        { kind: 'live-move', step: 'askPrepare', verb: 'prepareIncoming' },
        { kind: 'live-move', step: 'askTransfer', verb: 'migrateOut' },
        { kind: 'live-move', step: 'askFinish', verb: 'finishIncoming' },
      ],
      prepare: aServer,
      request: liveMigrate,
      ends: moved,
      transactions: 6,
    },
    {
      title: 'a live migration that the source cannot do',
      drives: ['live-move'],
      brief: true,
      prepare: aServer,
      request: (uuid) => {
        failing('h1', 'migrateOut');
        return liveMigrate(uuid);
      },
      ends: atHome,
      transactions: 6,
    },
    {
      title: 'an evacuation',
      drives: ['evacuate-instance'],
      orders: [{ kind: 'evacuate-instance', step: 'askSpawn', verb: 'spawn' }],
      prepare: () => aStrandedServer(scene),
      request: (uuid) => act(uuid, 'evacuate'),
      ends: moved,
      transactions: 5,
    },
    {
      title: 'an evacuation to a stopped server whose first destination fails',
      drives: ['evacuate-instance'],
      orders: [{ kind: 'evacuate-instance', step: 'askStop', verb: 'powerOff' }],
      brief: true,
      hosts: ['h1', 'h2', 'h3'],
      prepare: () => aStrandedServer(scene),
      request: (uuid) => {
        failing('h2', 'spawn');
        return act(uuid, 'evacuate', { stopped: 'true' });
      },
      ends: [{ vmState: 'stopped', host: 'h3' }],
      transactions: 8,
    },
  ];
}
