import { describe, expect, test } from 'vitest';
import { aStrandedServer, atHome, moved, moveStories } from '../../testing/stories/moves.ts';
import { stage, tellStories, unlessGone } from '../../testing/story.ts';

const scene = stage({ resendMinMs: 100 });
const { act, aServer, rows, servers } = scene;

const host = (name: string) => scene.cloud.hosts.get(name)!;
const resize = (uuid: string, flavorId = '2') => act(uuid, 'resize', { flavorId });
const liveMigrate = (uuid: string) => act(uuid, 'liveMigrate', { async: 'true' });
const eventsOf = (action: string) =>
  rows(
    `select a.action, e.event, e.result from instance_action_events e join instance_actions a on a.id = e.action_id where a.action like '${action}' order by e.id`,
  );
const usages = () => rows(`select cores::int, ram::int from quota_usages where user_id = ''`);

tellStories(scene, moveStories(scene));

describe('a delete during a move', () => {
  const moves = ['resize', 'liveMigrate', 'evacuate'] as const;
  const moments = moves.flatMap((move) =>
    (['meets something inside', 'meets something after its commit'] as const).flatMap((moment) =>
      [2, 3, 4, 5, 6, 7].map((at) => ({ move, moment, at })),
    ),
  );

  test.each(moments)('ends in a server that is gone, when transaction $at of $move $moment', async ({ move, moment, at }) => {
    const { cloud } = scene;
    const { life } = await cloud.startConductor('c1');
    for (const name of ['h1', 'h2']) await cloud.startHost(name);
    const uuid = move === 'evacuate' ? await aStrandedServer(scene) : await aServer();
    const remove = () => act(uuid, 'delete').catch(unlessGone);
    life.arm(at, moment, remove);
    await act(uuid, move, { flavorId: '2', async: 'true' });
    const ended = cloud.settled(3_000).catch(() => undefined);
    if (!(await Promise.race([life.happened.then(() => true), ended.then(() => false)]))) await remove();
    await cloud.settled();
    expect(await servers()).toMatchObject([{ vmState: 'deleted', host: null }]);
    await cloud.assertNothingLeftOver();
    expect(await usages()).toEqual([{ cores: 0, ram: 0 }]);
  });
});

describe('a move', () => {
  test('shows its stages, holds both hosts and counts as the larger flavor until it is confirmed', async () => {
    await scene.cloud.startConductor('c1');
    for (const name of ['h1', 'h2']) await scene.cloud.startHost(name);
    const uuid = await aServer();
    host('h1').behaviour.migrateOut = 'ignore';
    await resize(uuid, '3');
    const migrations = () => rows('select type, status, source_host, dest_host from server_migrations');
    await expect.poll(migrations).toEqual([{ type: 'resize', status: 'migrating', source_host: 'h1', dest_host: 'h2' }]);
    expect(await servers()).toMatchObject([{ vmState: 'active', taskState: 'resize_migrating', host: 'h1', flavorId: '1' }]);
    expect(await usages()).toEqual([{ cores: 2, ram: 512 }]);
    delete host('h1').behaviour.migrateOut;
    await scene.cloud.settled();
    expect(await migrations()).toMatchObject([{ status: 'finished' }]);
    expect(await rows('select host, vcpus::int from allocations order by host')).toEqual([
      { host: 'h1', vcpus: 2 },
      { host: 'h2', vcpus: 1 },
    ]);
    expect(await usages()).toEqual([{ cores: 2, ram: 512 }]);
    await act(uuid, 'confirmResize');
    await scene.cloud.settled();
    expect(await migrations()).toMatchObject([{ status: 'confirmed' }]);
    expect(await usages()).toEqual([{ cores: 1, ram: 256 }]);
    expect(host('h1').domains.size).toBe(0);
    expect(await eventsOf('%esize')).toEqual([
      { action: 'resize', event: 'conductor_migrate_server', result: 'Success' },
      { action: 'resize', event: 'cold_migrate', result: 'Success' },
      { action: 'resize', event: 'compute_prep_resize', result: 'Success' },
      { action: 'resize', event: 'compute_resize_instance', result: 'Success' },
      { action: 'resize', event: 'compute_finish_resize', result: 'Success' },
      { action: 'confirmResize', event: 'compute_confirm_resize', result: 'Success' },
    ]);
  });

  test('begins no event that an older conductor, which may take it over, would not end', async () => {
    await scene.cloud.startConductor('c1', { pin: '1.0' });
    for (const name of ['h1', 'h2']) await scene.cloud.startHost(name);
    await act(await aServer(), 'migrate');
    await scene.cloud.settled();
    expect((await eventsOf('migrate'))[0]).toMatchObject({ event: 'cold_migrate', result: 'Success' });
  });

  test('of a stopped server leaves it stopped, also when it is reverted', async () => {
    await scene.cloud.startConductor('c1');
    for (const name of ['h1', 'h2']) await scene.cloud.startHost(name);
    const uuid = await aServer();
    await act(uuid, 'stop');
    await scene.cloud.settled();
    await act(uuid, 'migrate', { host: 'h2' });
    await scene.cloud.settled();
    expect(await servers()).toMatchObject([{ vmState: 'resized', host: 'h2' }]);
    expect(host('h2').domains.get(uuid)).toMatchObject({ power: 4 });
    await act(uuid, 'revertResize');
    await scene.cloud.settled();
    expect(await servers()).toMatchObject([{ vmState: 'stopped', host: 'h1' }]);
    await scene.cloud.assertNothingLeftOver();
    expect(await usages()).toEqual([{ cores: 2, ram: 512 }]);
  });
});

describe('a live migration', () => {
  async function running(): Promise<{ uuid: string; id: string }> {
    await scene.cloud.startConductor('c1');
    for (const name of ['h1', 'h2']) await scene.cloud.startHost(name);
    const uuid = await aServer();
    host('h1').behaviour.migrateOut = 'ignore';
    await liveMigrate(uuid);
    const found = () => rows<{ id: number; status: string }>('select id, status from server_migrations');
    await expect.poll(found).toMatchObject([{ status: 'running' }]);
    return { uuid, id: String((await found())[0]!.id) };
  }
  const lastOrder = () => host('h1').heard.findLast(({ verb }) => verb === 'migrateOut')?.operation;

  test('that is aborted tells the source, whose answer decides', async () => {
    const { uuid, id } = await running();
    await act(uuid, 'abortMigration', { id });
    await expect.poll(lastOrder).toMatchObject({ abort: true, live: true, destination: 'scripted://h2' });
    expect(await servers()).toMatchObject([{ taskState: 'migrating', host: 'h1' }]);
    host('h1').behaviour.migrateOut = 'fail';
    await scene.cloud.settled();
    expect(await servers()).toMatchObject(atHome);
    expect(await rows('select status from server_migrations')).toEqual([{ status: 'cancelled' }]);
    await scene.cloud.assertNothingLeftOver();
  });

  test('that is to be completed tells the source', async () => {
    const { uuid, id } = await running();
    await act(uuid, 'forceCompleteMigration', { id });
    await expect.poll(lastOrder).toMatchObject({ forceComplete: true });
    host('h1').behaviour.migrateOut = 'do';
    await scene.cloud.settled();
    expect(await servers()).toMatchObject(moved);
    const done = { action: 'live-migration', result: 'Success' };
    expect(await eventsOf('live-migration')).toEqual([
      { ...done, event: 'conductor_live_migrate_instance' },
      { ...done, event: 'compute_check_can_live_migrate_destination' },
      { ...done, event: 'compute_check_can_live_migrate_source' },
      { ...done, event: 'compute_pre_live_migration' },
      { ...done, event: 'compute_live_migration' },
      { ...done, event: 'compute_post_live_migration_at_destination' },
    ]);
  });

  test.each([
    {
      title: 'another migration',
      options: { id: '999999' },
      code: 'MigrationNotFound',
      message: /^Migration 999999 not found for instance /,
    },
    { title: 'no migration', options: { id: 'abc' }, code: 'MigrationNotFound', message: /^Migration abc not found for instance / },
    { title: 'one that is not under way', options: {}, code: 'ServerStateConflict', message: /while it is in/ },
  ])('is not aborted by the name of $title', async ({ options, code, message }) => {
    const { uuid, id } = await running();
    if (code === 'ServerStateConflict') {
      host('h1').behaviour.migrateOut = 'do';
      await scene.cloud.settled();
    }
    const refusal = act(uuid, 'abortMigration', { id, ...options });
    await expect(refusal).rejects.toThrow(message);
    await expect(refusal).rejects.toMatchObject({ code });
  });
});

describe('a resize from one flavor without a root disk to another', () => {
  const zeroDiskDeniedBy = 'os_compute_api:servers:create:zero_disk_flavor';

  test('needs the right to such flavors, a migration does not', async () => {
    await scene.cloud.startConductor('c1');
    for (const name of ['h1', 'h2']) await scene.cloud.startHost(name);
    await rows(`update flavors set root_gb = 0 where flavor_id in ('1', '3')`);
    const uuid = await aServer();
    const refusal = act(uuid, 'resize', { flavorId: '3', zeroDiskDeniedBy });
    await expect(refusal).rejects.toThrow(`Policy doesn't allow ${zeroDiskDeniedBy} to be performed.`);
    await expect(refusal).rejects.toMatchObject({ code: 'PolicyDenied' });
    expect(await rows('select 1 from server_migrations')).toEqual([]);
    await act(uuid, 'resize', { flavorId: '3' });
    await scene.cloud.settled();
    await act(uuid, 'confirmResize');
    await scene.cloud.settled();
    await act(uuid, 'migrate', { zeroDiskDeniedBy });
    await scene.cloud.settled();
    expect(await servers()).toMatchObject([{ vmState: 'resized', host: 'h1', flavorId: '3' }]);
  });

  test('goes to one with a root disk without that right', async () => {
    await scene.cloud.startConductor('c1');
    for (const name of ['h1', 'h2']) await scene.cloud.startHost(name);
    await rows(`update flavors set root_gb = 0 where flavor_id = '1'`);
    const uuid = await aServer();
    await act(uuid, 'resize', { flavorId: '2', zeroDiskDeniedBy });
    await scene.cloud.settled();
    expect(await servers()).toMatchObject([{ vmState: 'resized', flavorId: '2' }]);
  });
});

describe('what is not accepted', () => {
  const refusals = [
    { action: 'resize', options: { flavorId: '1' }, code: 'ResizeInvalid', message: 'When resizing, instances must change flavor!' },
    { action: 'resize', options: { flavorId: 'none' }, code: 'ResizeInvalid', message: 'Flavor none could not be found.' },
    {
      action: 'migrate',
      options: { host: 'h1' },
      code: 'MigrationInvalid',
      message: 'Cannot migrate to the host where the server exists.',
    },
    { action: 'migrate', options: { host: 'h9' }, code: 'MigrationInvalid', message: 'Compute host h9 could not be found.' },
    { action: 'liveMigrate', options: { host: 'h1' }, code: 'MigrationInvalid', message: /to current host \(h1\)/ },
    { action: 'evacuate', options: {}, code: 'HostStillUp', message: 'Compute service of h1 is still in use.' },
    { action: 'confirmResize', options: {}, code: 'ServerStateConflict', message: /while it is in vm_state active/ },
    { action: 'revertResize', options: {}, code: 'ServerStateConflict', message: /while it is in vm_state active/ },
  ];
  test.each(refusals)('$action $options: $code', async ({ action, options, code, message }) => {
    await scene.cloud.startConductor('c1');
    for (const name of ['h1', 'h2']) await scene.cloud.startHost(name);
    const uuid = await aServer();
    const refusal = act(uuid, action, options as Record<string, string>);
    await expect(refusal).rejects.toThrow(message);
    await expect(refusal).rejects.toMatchObject({ code });
    await scene.cloud.assertNothingLeftOver();
    expect(await rows('select 1 from server_migrations')).toEqual([]);
  });
});
