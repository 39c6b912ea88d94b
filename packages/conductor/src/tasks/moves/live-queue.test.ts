/** Live migrations that wait for a place of their host, and those that are known to be hopeless. */
import { describe, expect, test } from 'vitest';
import { silence, stage, tellStories } from '../../testing/story.ts';
import { aRequest } from '../../testing/services.ts';

const scene = stage({ resendMinMs: 50, resendMaxMs: 50, liveQueueLookMs: 60_000 });
const { act, rows } = scene;
const host = (name: string) => scene.cloud.hosts.get(name)!;

const migrations = () =>
  rows<{ id: number; status: string; dest: string | null }>('select id, status, dest_host as dest from server_migrations order by id');
const statuses = async () => (await migrations()).map(({ status }) => status);
const places = () => rows(`select host, count(*)::integer from allocations group by host order by host`);

/** Servers on h1, whose live migrations go on only when the host is told so. */
async function crowd(size: number, hosts: readonly string[] = ['h1', 'h2']): Promise<readonly string[]> {
  for (const name of hosts) await scene.cloud.startHost(name);
  const { serverUuids } = await scene.cloud.create(aRequest({ minCount: size, maxCount: size }));
  await scene.cloud.settled();
  host('h1').behaviour.migrateOut = 'ignore';
  return serverUuids;
}
const go = (uuid: string) => act(uuid, 'liveMigrate', { async: 'true' });
const goOn = () => {
  host('h1').behaviour.migrateOut = 'do';
};

/** The first runs. @returns the second */
async function oneToWait(): Promise<string> {
  const [first, second] = await crowd(2, []);
  await go(first!);
  await expect.poll(statuses).toEqual(['running']);
  return second!;
}

/** The first runs, the second is queued. */
async function oneWaits(hosts?: readonly string[]): Promise<readonly [string, string]> {
  await scene.cloud.startConductor('c1');
  const [first, second] = await crowd(2, hosts);
  await go(first!);
  await expect.poll(statuses).toEqual(['running']);
  await go(second!);
  await expect.poll(statuses).toEqual(['running', 'queued']);
  return [first!, second!];
}

describe('a live migration for which its host has no place', () => {
  test('is queued, holds nothing, and goes on by itself when a place is free', async () => {
    await oneWaits();
    expect(await migrations()).toMatchObject([{ dest: 'h2' }, { dest: null }]);
    expect(await places()).toEqual([
      { host: 'h1', count: 2 },
      { host: 'h2', count: 1 },
    ]);
    goOn();
    await scene.cloud.settled();
    expect(await statuses()).toEqual(['completed', 'completed']);
    expect(await places()).toEqual([{ host: 'h2', count: 2 }]);
    await scene.cloud.assertNothingLeftOver();
  });

  test('goes on after the one before it failed', async () => {
    const [, second] = await oneWaits();
    host('h1').behaviour.migrateOut = ({ instanceUuid }) => (instanceUuid === second ? 'do' : 'fail');
    await scene.cloud.settled();
    expect(await statuses()).toEqual(['error', 'completed']);
    await scene.cloud.assertNothingLeftOver();
  });

  test('is taken over with its place in the queue when its conductor dies', async () => {
    const one = await scene.cloud.startConductor('c1', { ownPool: true });
    const [first, second, third] = await crowd(3);
    for (const uuid of [first!, second!, third!]) {
      await go(uuid);
      await expect.poll(async () => (await statuses()).at(-1)).toBe(uuid === first ? 'running' : 'queued');
    }
    await one.kill();
    await scene.cloud.startConductor('c2');
    expect(await statuses()).toEqual(['running', 'queued', 'queued']);
    goOn();
    await scene.cloud.settled();
    expect(await statuses()).toEqual(['completed', 'completed', 'completed']);
    const sent = host('h1')
      .heard.filter(({ verb }) => verb === 'migrateOut')
      .map(({ operation }) => operation.instanceUuid);
    expect([...new Set(sent)]).toEqual([first, second, third]);
    await scene.cloud.assertNothingLeftOver();
  });

  test('is aborted from 2.65 on, and not before', async () => {
    const [, second] = await oneWaits();
    const id = String((await migrations())[1]!.id);
    await expect(act(second, 'abortMigration', { id })).rejects.toMatchObject({ code: 'MigrationInvalid', message: /is queued/ });
    await act(second, 'abortMigration', { id, early: 'true' });
    await expect.poll(statuses).toEqual(['running', 'cancelled']);
    expect(await rows(`select vm_state, task_state, host from instances where uuid = '${second}'`)).toEqual([
      { vm_state: 'active', task_state: null, host: 'h1' },
    ]);
    expect(host('h2').heard.filter(({ operation }) => operation.instanceUuid === second)).toEqual([]);
    goOn();
    await scene.cloud.settled();
    await scene.cloud.assertNothingLeftOver();
  });

  test('is not forced to completion', async () => {
    const [, second] = await oneWaits();
    const id = String((await migrations())[1]!.id);
    await expect(act(second, 'forceCompleteMigration', { id })).rejects.toMatchObject({ code: 'MigrationInvalid' });
    goOn();
    await scene.cloud.settled();
  });

  test('makes room for a delete', async () => {
    const [, second] = await oneWaits();
    await act(second, 'delete');
    await expect.poll(statuses).toEqual(['running', 'cancelled']);
    goOn();
    await scene.cloud.settled();
    expect(await rows(`select vm_state from instances where uuid = '${second}'`)).toEqual([{ vm_state: 'deleted' }]);
    await scene.cloud.assertNothingLeftOver();
  });

  test('makes room for an evacuation of its dead host', async () => {
    const [first, second] = await oneWaits();
    await silence(scene, 'h1');
    await act(second, 'evacuate');
    // Completed as soon as the host, which only counts as dead, has cleared up.
    await expect.poll(async () => (await statuses()).at(-1)).toMatch(/^(done|completed)$/);
    expect(await rows(`select vm_state, task_state, host from instances where uuid = '${second}'`)).toEqual([
      { vm_state: 'active', task_state: null, host: 'h2' },
    ]);
    await rows(`update hosts set up = true where host = 'h1'`);
    goOn();
    await scene.cloud.settled();
    expect(await rows(`select host from instances where uuid = '${first}'`)).toEqual([{ host: 'h2' }]);
    await scene.cloud.assertNothingLeftOver();
  });
});

test('a queued live migration is given up at its deadline', async () => {
  await scene.cloud.startConductor('c1');
  const [first, second] = await crowd(2);
  await go(first!);
  await expect.poll(statuses).toEqual(['running']);
  await go(second!);
  await expect.poll(statuses).toEqual(['running', 'queued']);
  await rows(
    `update tasks set deadline_at = kilonova_now(), wake_at = kilonova_now() where kind = 'queue-live-move' and state = 'running'`,
  );
  await expect.poll(statuses).toEqual(['running', 'error']);
  expect(
    await rows(
      `select e.details as message from instance_action_events e join instance_actions a on a.id = e.action_id where a.instance_uuid = '${second}' and e.result = 'Error'`,
    ),
  ).toEqual([{ message: 'The request was not done in time.' }]);
  goOn();
  await scene.cloud.settled();
  await scene.cloud.assertNothingLeftOver();
});

tellStories(scene, [
  {
    title: 'a live migration that waits for its place',
    drives: ['queue-live-move'],
    prepare: oneToWait,
    request: (uuid) => go(uuid).finally(goOn),
    ends: [
      { vmState: 'active', taskState: null, host: 'h2' },
      { vmState: 'active', taskState: null, host: 'h2' },
    ],
    transactions: 5,
  },
]);

describe('a live migration that cannot work', () => {
  const hopeless: readonly { title: string; options: Record<string, string>; message: string | RegExp; later?: string }[] = [
    { title: 'to its own host', options: { host: 'h1' }, message: /to current host \(h1\)/ },
    { title: 'to a host that is down', options: { host: 'h2' }, message: 'Compute service of h2 is unavailable at this time.' },
    { title: 'to no host at all', options: {}, message: 'No valid host was found. nothing fits' },
    {
      title: 'by force to a host without room',
      options: { host: 'h3', force: 'true' },
      message: /h3: Lack of memory\(host:256 <= instance:512\)/,
      later: 'Host h3 has no room for the server.',
    },
  ];
  async function begin(): Promise<string> {
    await scene.cloud.startConductor('c1');
    const [uuid] = await crowd(1);
    await scene.cloud.startHost('h3', { memoryMb: 256 });
    await silence(scene, 'h2');
    scene.cloud.choose = () => [];
    return uuid!;
  }

  test.each(hopeless)('$title is refused up to 2.33, before anything is written', async ({ options, message }) => {
    const uuid = await begin();
    const refusal = act(uuid, 'liveMigrate', options);
    await expect(refusal).rejects.toThrow(message);
    await expect(refusal).rejects.toMatchObject({ code: expect.stringMatching(/^(MigrationInvalid|HostUnavailable)$/) as string });
    expect(await rows('select 1 from server_migrations')).toEqual([]);
    expect(await rows(`select 1 from instance_actions where action = 'live-migration'`)).toEqual([]);
    await scene.cloud.assertNothingLeftOver();
  });

  test.each(hopeless)('$title is accepted from 2.34 on and shows in its action', async ({ options, message, later }) => {
    const uuid = await begin();
    await act(uuid, 'liveMigrate', { ...options, async: 'true' });
    await scene.cloud.settled();
    expect(await statuses()).toEqual(['error']);
    const events = await rows<{ message: string }>(
      `select e.event, e.result, e.details as message from instance_action_events e join instance_actions a on a.id = e.action_id where a.action = 'live-migration'`,
    );
    expect(events).toMatchObject([{ event: 'conductor_live_migrate_instance', result: 'Error' }]);
    expect(events[0]!.message).toMatch(later ?? message);
    expect(await rows('select vm_state, task_state, host from instances')).toEqual([{ vm_state: 'active', task_state: null, host: 'h1' }]);
    await scene.cloud.assertNothingLeftOver();
  });

  test('to a host nobody knows is refused in any version', async () => {
    const uuid = await begin();
    for (const version of [{}, { async: 'true' }] as readonly Record<string, string>[])
      await expect(act(uuid, 'liveMigrate', { host: 'h9', ...version })).rejects.toThrow('Compute host h9 could not be found.');
  });
});

test('the host that was found before the acceptance is the one that is tried, without asking again', async () => {
  await scene.cloud.startConductor('c1');
  const [uuid] = await crowd(1);
  goOn();
  const before = scene.cloud.asked.length;
  await act(uuid!, 'liveMigrate');
  await scene.cloud.settled();
  expect(scene.cloud.asked.length - before).toBe(1);
  expect(await statuses()).toEqual(['completed']);
});

test('as long as peers are of 1.0 nothing is queued and tasks are those that they know', async () => {
  await scene.cloud.startConductor('c1', { pin: '1.0' });
  const [first, second, third] = await crowd(3);
  for (const uuid of [first!, second!]) await go(uuid);
  await expect.poll(statuses).toEqual(['running', 'running']);
  await act(third!, 'migrate');
  expect(await rows(`select kind, version from tasks where state = 'parked' or kind = 'cold-move' order by kind, id`)).toEqual([
    { kind: 'cold-move', version: 1 },
    { kind: 'live-move', version: 1 },
    { kind: 'live-move', version: 1 },
  ]);
  goOn();
  await scene.cloud.settled();
  await scene.cloud.assertNothingLeftOver();
});
