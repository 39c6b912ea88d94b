/** Moves whose host was told to run the guest and falls silent: nothing is lost and nothing runs twice, whenever it is heard again. */
import { describe, expect, test } from 'vitest';
import { moved } from '../../testing/stories/moves.ts';
import type { Verb } from '../../testing/scripted-host.ts';
import { stage, type Story, tellStories } from '../../testing/story.ts';

const scene = stage();
const { act, aServer, rows, servers } = scene;
const host = (name: string) => scene.cloud.hosts.get(name)!;
const powers = (uuid: string) => ['h1', 'h2'].map((name) => host(name).domains.get(uuid)?.power ?? null);
const migrations = () => rows('select status from server_migrations order by id');
const kinds = async () =>
  (await rows<{ kind: string }>(`select kind from tasks where state in ('running', 'parked', 'unwinding')`)).map(({ kind }) => kind);

/** The host never hears the first order of the verb. Later ones it does, or not either. */
function deafen(name: string, verb: Verb, later: 'do' | 'fail' | 'ignore'): void {
  let first: string | undefined;
  host(name).behaviour[verb] = ({ operationId }) => (operationId === (first ??= operationId) ? 'ignore' : later);
}

/** It does what it was told, and nobody hears that it did. */
function mute(name: string, verb: 'finishIncoming' | 'takeBack', power: 1 | 4): void {
  deafen(name, verb, 'do');
  const deaf = host(name).behaviour[verb] as (operation: { readonly instanceUuid: string; readonly generation: number }) => 'do' | 'ignore';
  host(name).behaviour[verb] = (operation) => {
    host(name).domains.set(operation.instanceUuid, { generation: operation.generation, power });
    return deaf(operation);
  };
}

/** As if the host had been waited for until the end. */
async function giveUp(name: string, verb: Verb, kind: string): Promise<void> {
  await expect.poll(() => host(name).heard.some((heard) => heard.verb === verb), { interval: 5, timeout: 20_000 }).toBe(true);
  const overdue = () =>
    rows(`update tasks set report_by = kilonova_now(), wake_at = kilonova_now()
      where kind = '${kind}' and state = 'parked' and awaits_host = '${name}' returning 1`);
  await expect.poll(overdue, { interval: 5, timeout: 20_000 }).not.toEqual([]);
}

async function aResizedServer(): Promise<string> {
  const uuid = await aServer();
  await act(uuid, 'resize', { flavorId: '2' });
  await scene.cloud.settled();
  return uuid;
}

interface Silence {
  readonly title: string;
  readonly drives: Story['drives'];
  readonly prepare: () => Promise<string>;
  readonly act: (uuid: string) => Promise<unknown>;
  /** Who falls silent at what, and where the server may run then. */
  readonly name: string;
  readonly verb: 'finishIncoming' | 'takeBack';
  readonly ends: readonly object[];
  readonly transactions: number;
}

const silences: readonly Silence[] = [
  {
    title: 'a resize whose destination is heard late',
    drives: ['settle-cold-move'],
    prepare: aServer,
    act: (uuid) => act(uuid, 'resize', { flavorId: '2' }),
    ...{ name: 'h2', verb: 'finishIncoming', transactions: 8 },
    ends: [{ vmState: 'resized', taskState: null, host: 'h2', flavorId: '2' }],
  },
  {
    title: 'a live migration whose destination is heard late',
    drives: ['settle-live-move'],
    prepare: aServer,
    act: (uuid) => act(uuid, 'liveMigrate', { async: 'true' }),
    ...{ name: 'h2', verb: 'finishIncoming', transactions: 8 },
    ends: moved,
  },
  {
    title: 'a revert whose source is heard late',
    drives: ['settle-revert'],
    prepare: aResizedServer,
    act: (uuid) => act(uuid, 'revertResize'),
    ...{ name: 'h1', verb: 'takeBack', transactions: 6 },
    ends: [{ vmState: 'active', taskState: null, host: 'h1', flavorId: '1' }],
  },
];

const KIND: Record<string, string> = { 'settle-cold-move': 'cold-move', 'settle-live-move': 'live-move', 'settle-revert': 'revert-resize' };

tellStories(
  scene,
  silences.map(({ title, drives, prepare, act: ask, name, verb, ends, transactions }) => ({
    ...{ title, drives, prepare, ends, transactions },
    request: async (uuid) => {
      deafen(name, verb, 'do');
      // Its own conductor may be gone before it is answered.
      await Promise.all([ask(uuid).catch(() => undefined), giveUp(name, verb, KIND[drives[0]!]!)]);
    },
  })),
);

describe.each(silences)('$title, before it is heard,', ({ drives, prepare, act: ask, name, verb, ends }) => {
  const settle = drives[0]!;

  const onlyAsked = async () => {
    await expect.poll(kinds).toEqual([settle]);
  };

  async function untilItIsAsked(later: 'do' | 'fail' | 'ignore'): Promise<string> {
    await scene.cloud.startConductor('c1');
    for (const one of ['h1', 'h2']) await scene.cloud.startHost(one);
    const uuid = await prepare();
    deafen(name, verb, later);
    await ask(uuid);
    await giveUp(name, verb, KIND[settle]!);
    return uuid;
  }

  test('shows ERROR and why, leaves its migration open and both hosts what they have, and is not started anywhere', async () => {
    const uuid = await untilItIsAsked('ignore');
    await onlyAsked();
    expect(await servers()).toMatchObject([{ vmState: 'error', taskState: null }]);
    expect(await rows('select message from instance_faults')).toEqual([
      { message: `The server may run on host ${name}: Host ${name} did not answer in time.` },
    ]);
    expect(await rows('select open from server_migrations')).toEqual([{ open: true }]);
    expect(await rows('select host from allocations order by host')).toEqual([{ host: 'h1' }, { host: 'h2' }]);
    expect(await rows('select 1 from cleanups')).toEqual([]);
    for (const action of ['reboot', 'confirmResize', 'revertResize', 'evacuate'])
      await expect(act(uuid, action, action === 'reboot' ? { type: 'HARD' } : {})).rejects.toMatchObject({
        code: expect.stringMatching(/Busy|Conflict|StillUp/),
      });
    expect(powers(uuid)).not.toContain(1);
  });

  test('is deleted from both', async () => {
    const uuid = await untilItIsAsked('ignore');
    await onlyAsked();
    await act(uuid, 'delete');
    await scene.cloud.settled();
    expect(await servers()).toMatchObject([{ vmState: 'deleted', host: null }]);
    await scene.cloud.assertNothingLeftOver();
  });

  test(`is deleted, and an order that comes after all of it finds nothing (overtakes: '${settle}')`, async () => {
    await scene.cloud.startConductor('c1');
    for (const one of ['h1', 'h2']) await scene.cloud.startHost(one);
    const uuid = await prepare();
    host(name).awaited = verb;
    await ask(uuid);
    await expect.poll(() => host(name).onTheirWay.length, { interval: 5 }).toBeGreaterThan(0);
    host(name).heard.push({ verb, operation: {} as never }); // on its way
    await giveUp(name, verb, KIND[settle]!);
    await expect.poll(kinds).toEqual([settle]);
    const [task] = await rows<{ id: string }>(`select id from tasks where kind = '${settle}'`);
    await expect.poll(() => host(name).onTheirWay.some((id) => id.startsWith(task!.id)), { interval: 5 }).toBe(true);
    await act(uuid, 'delete');
    await scene.cloud.settled();
    host(name).arrive();
    await expect.poll(() => host(name).told, { interval: 5 }).toBe(true);
    await scene.cloud.settled();
    expect(await servers()).toMatchObject([{ vmState: 'deleted', host: null }]);
    await scene.cloud.assertNothingLeftOver();
  });

  test('ends as it was meant when the host had done it all along', async () => {
    await scene.cloud.startConductor('c1');
    for (const one of ['h1', 'h2']) await scene.cloud.startHost(one);
    const uuid = await prepare();
    mute(name, verb, 1);
    await ask(uuid);
    await giveUp(name, verb, KIND[settle]!);
    await scene.cloud.settled();
    expect(await servers()).toMatchObject(ends);
    expect(powers(uuid).filter((power) => power === 1)).toHaveLength(1);
    await scene.cloud.assertNothingLeftOver();
  });

  test('goes on where it was when the host says that it could not', async () => {
    const uuid = await untilItIsAsked('fail');
    await scene.cloud.settled();
    expect(await servers()).toMatchObject([verb === 'takeBack' ? { vmState: 'resized', host: 'h2' } : { vmState: 'active', host: 'h1' }]);
    expect(powers(uuid)).toEqual(verb === 'takeBack' ? [4, 1] : [1, null]);
    expect(await migrations()).toEqual([{ status: verb === 'takeBack' ? 'finished' : 'error' }]);
    expect(await rows(`select cores::int from quota_usages where user_id = ''`)).toEqual([{ cores: verb === 'takeBack' ? 3 : 2 }]);
    await scene.cloud.assertNothingLeftOver();
  });

  test('goes on where it was when the host is forced down', async () => {
    const uuid = await untilItIsAsked('ignore');
    await onlyAsked();
    await rows(`insert into services (uuid, host, "binary", version, forced_down) values (gen_random_uuid(), '${name}', 'nova-compute', '1.0', true)
      on conflict (host, "binary") do update set forced_down = true`);
    await rows(`update hosts set up = false where host = '${name}'`);
    await giveUp(name, verb, settle);
    const back = verb === 'takeBack' ? 'h2' : 'h1';
    await expect
      .poll(servers, { timeout: 20_000 })
      .toMatchObject([{ vmState: verb === 'takeBack' ? 'resized' : 'active', taskState: null, host: back }]);
    expect(host(back).domains.get(uuid)?.power).toBe(1);
  });

  test('is asked again when the wait for it was cut short, as by an operator who forces a host down and up again', async () => {
    await untilItIsAsked('ignore');
    await onlyAsked();
    await giveUp(name, verb, settle);
    const asked = () => rows(`select state from tasks where kind = '${settle}' order by created_at`);
    await expect.poll(asked).toEqual([{ state: 'failed' }, { state: expect.stringMatching(/running|parked/) }]);
    expect(await rows('select 1 from cleanups')).toEqual([]);
    expect(await rows('select 1 from instance_faults')).toHaveLength(1);
    delete host(name).behaviour[verb];
    await scene.cloud.settled();
    expect(await servers()).toMatchObject(ends);
    await scene.cloud.assertNothingLeftOver();
  });

  test('is asked again when the host fails at it and says that the guest is there', async () => {
    const uuid = await untilItIsAsked('ignore');
    await onlyAsked();
    host(name).behaviour[verb] = ({ instanceUuid, generation }) => {
      host(name).domains.set(instanceUuid, { generation, power: 1 });
      return 'fail';
    };
    await expect.poll(() => rows(`select 1 from tasks where kind = '${settle}'`), { timeout: 20_000 }).not.toHaveLength(1);
    expect(await rows('select 1 from cleanups')).toEqual([]);
    expect(powers(uuid).filter((power) => power === 1)).toHaveLength(1);
    delete host(name).behaviour[verb];
    await scene.cloud.settled();
    expect(await servers()).toMatchObject(ends);
    expect(powers(uuid).filter((power) => power === 1)).toHaveLength(1);
    await scene.cloud.assertNothingLeftOver();
  });
});
