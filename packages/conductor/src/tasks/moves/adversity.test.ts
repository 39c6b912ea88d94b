/** Moves in adversity: hosts that say nothing (every task ends by its deadline, no guest runs twice), quota, groups. */
import { describe, expect, test } from 'vitest';
import type { Behaviour, ScriptedHost } from '../../testing/scripted-host.ts';
import { silence, stage } from '../../testing/story.ts';

const scene = stage({
  moveStepDeadlineMs: 300,
  silentMoveDeadlineMs: 300,
  transferDeadlineMs: 300,
  powerDeadlineMs: 300,
  buildDeadlineMs: 300,
  deleteDeadlineMs: 300,
});
const { act, aServer, rows, servers } = scene;
const host = (name: string) => scene.cloud.hosts.get(name)!;
type Verb = keyof ScriptedHost['behaviour'];

async function begin(silent: { readonly name: string; readonly verb: Verb; readonly behaviour?: Behaviour } | null): Promise<string> {
  await scene.cloud.startConductor('c1');
  for (const name of ['h1', 'h2']) await scene.cloud.startHost(name);
  const uuid = await aServer();
  if (silent !== null) host(silent.name).behaviour[silent.verb] = silent.behaviour ?? 'ignore';
  return uuid;
}

const powers = (uuid: string) => ['h1', 'h2'].map((name) => host(name).domains.get(uuid)?.power ?? null);

describe('a move', () => {
  test.each([
    { action: 'migrate', silent: { name: 'h2', verb: 'prepareIncoming' }, status: 'error' },
    { action: 'migrate', silent: { name: 'h1', verb: 'migrateOut' }, status: 'error' },
    { action: 'liveMigrate', silent: { name: 'h2', verb: 'prepareIncoming' }, status: 'error' },
    { action: 'liveMigrate', silent: { name: 'h1', verb: 'migrateOut' }, status: 'error' },
  ] as const)('by $action goes on where it was when $silent.name does not answer $silent.verb', async ({ action, silent, status }) => {
    const uuid = await begin(silent);
    await act(uuid, action);
    await scene.cloud.settled();
    expect(await servers()).toMatchObject([{ vmState: 'active', taskState: null, host: 'h1' }]);
    expect(await rows('select status from server_migrations')).toEqual([{ status }]);
    expect(powers(uuid)).toEqual([1, null]);
    await scene.cloud.assertNothingLeftOver();
  });

  test('whose destination was told to run it and says nothing runs nowhere else, and says so', async () => {
    const uuid = await begin({ name: 'h2', verb: 'finishIncoming' });
    await act(uuid, 'resize', { flavorId: '2' });
    await scene.cloud.settled();
    expect(await servers()).toMatchObject([{ vmState: 'error', taskState: null, host: 'h1', flavorId: '1' }]);
    expect(powers(uuid)).toEqual([4, null]);
    expect(await rows('select message from instance_faults')).toEqual([
      { message: 'The server may run on host h2: Host h2 did not answer in time.' },
    ]);
    expect(await rows(`select cores::int from quota_usages where user_id = ''`)).toEqual([{ cores: 2 }]);
  });

  test('is not reverted by a source that says nothing, and waits for its confirmation again', async () => {
    const uuid = await begin(null);
    await act(uuid, 'migrate');
    await scene.cloud.settled();
    host('h1').behaviour.takeBack = 'ignore';
    await act(uuid, 'revertResize');
    await scene.cloud.settled();
    expect(await servers()).toMatchObject([{ vmState: 'resized', taskState: null, host: 'h2' }]);
    // The source may have started it: the destination does not, until somebody decides.
    expect(powers(uuid)).toEqual([4, 4]);
    delete host('h1').behaviour.takeBack;
    await act(uuid, 'revertResize');
    await scene.cloud.settled();
    expect(await servers()).toMatchObject([{ vmState: 'active', host: 'h1' }]);
    await scene.cloud.assertNothingLeftOver();
  });

  test('of a server that is deleted while its hosts are silent becomes their cleanup', async () => {
    const uuid = await begin({ name: 'h1', verb: 'migrateOut' });
    await act(uuid, 'migrate');
    await expect.poll(servers).toMatchObject([{ taskState: 'resize_migrating' }]);
    for (const name of ['h1', 'h2']) host(name).behaviour.remove = 'ignore';
    await act(uuid, 'delete');
    await expect.poll(servers).toMatchObject([{ vmState: 'deleted', host: null }]);
    expect(await rows('select host, generation from cleanups order by host')).toEqual([
      { host: 'h1', generation: 1 },
      { host: 'h2', generation: 2 },
    ]);
    for (const name of ['h1', 'h2']) delete host(name).behaviour.remove;
    await scene.cloud.settled();
    await scene.cloud.assertNothingLeftOver();
  });
});

describe('an evacuation', () => {
  test('takes over a stop that the dead host never heard of', async () => {
    const uuid = await begin({ name: 'h1', verb: 'powerOff' });
    await act(uuid, 'stop');
    await expect.poll(() => host('h1').heard.at(-1)?.verb).toBe('powerOff');
    await silence(scene, 'h1');
    await act(uuid, 'evacuate');
    await scene.cloud.settled();
    expect(await servers()).toMatchObject([{ vmState: 'active', taskState: null, host: 'h2' }]);
    await scene.cloud.assertNothingLeftOver();
  });
});

describe('what a host holds', () => {
  test('is no stray while a move is open or waits for its confirmation', async () => {
    const uuid = await begin(null);
    await act(uuid, 'migrate');
    await scene.cloud.settled();
    const report = (name: string) =>
      host(name).reports.reportDomains({
        ...{ host: name, round: 1, last: true, agent: '' },
        domains: [...host(name).domains].map(([one, { generation, power }]) => ({ uuid: one, generation, power })),
      });
    for (const name of ['h1', 'h2']) await report(name);
    expect(await rows('select 1 from cleanups')).toEqual([]);
    expect(powers(uuid)).toEqual([4, 1]);
  });
});

describe('a resize', () => {
  test('beyond the quota of the project is refused, and counts nothing', async () => {
    const uuid = await begin(null);
    await rows(`insert into quotas (project_id, resource, "limit") values ('demo', 'cores', 2)`);
    await expect(act(uuid, 'resize', { flavorId: '2' })).rejects.toMatchObject({
      code: 'QuotaExceeded',
      message: 'Quota exceeded for cores: Requested 1, but already used 2 of 2 cores',
    });
    await scene.cloud.assertNothingLeftOver();
  });
});

describe('a server of a group', () => {
  test('may move although it is the only one of an affinity group', async () => {
    const uuid = await begin(null);
    await rows(`insert into server_groups (uuid, project_id, user_id, name, policy)
      values ('11111111-1111-4111-8111-111111111111', 'demo', 'ann', 'g', 'affinity')`);
    await rows(`update instances set server_group_uuid = '11111111-1111-4111-8111-111111111111'`);
    await act(uuid, 'liveMigrate');
    await scene.cloud.settled();
    expect(await servers()).toMatchObject([{ vmState: 'active', host: 'h2' }]);
    expect(scene.cloud.asked.at(-1)).toMatchObject({ group: { membersByHost: {} }, excludedHosts: ['h1'] });
  });
});
