/** Moves that wait for somebody to decide while their server shows something else. */
import { expect, test } from 'vitest';
import { atHome } from '../../testing/stories/moves.ts';
import { stage } from '../../testing/story.ts';

const scene = stage();
const { act, aServer, rows, servers } = scene;
const host = (name: string) => scene.cloud.hosts.get(name)!;
const powers = (uuid: string) => ['h1', 'h2'].map((name) => host(name).domains.get(uuid)?.power ?? null);
const statuses = async () =>
  (await rows<{ status: string }>('select status from server_migrations order by id')).map(({ status }) => status);
const cores = async () => (await rows<{ cores: number }>(`select cores::int from quota_usages where user_id = ''`))[0]?.cores;

async function aResizedServer(): Promise<string> {
  await scene.cloud.startConductor('c1');
  for (const name of ['h1', 'h2']) await scene.cloud.startHost(name);
  const uuid = await aServer();
  await act(uuid, 'resize', { flavorId: '2' });
  await scene.cloud.settled();
  return uuid;
}

/** A flavor beside those of the stage, of the disk of `2`. */
const aFlavorOf = (flavorId: string, vcpus: number) =>
  rows(`insert into flavors (flavor_id, name, vcpus, memory_mb, root_gb, ephemeral_gb, swap_mb, rxtx_factor, disabled, is_public)
    values ('${flavorId}', 'm1.of${vcpus}', ${vcpus}, 1024, 2, 0, 0, 1, false, true)`);

/** Its revert fails, and so does going on. */
async function aBrokenRevert(): Promise<string> {
  const uuid = await aResizedServer();
  for (const name of ['h1', 'h2']) host(name).behaviour.takeBack = 'fail';
  await act(uuid, 'revertResize');
  await scene.cloud.settled();
  for (const name of ['h1', 'h2']) delete host(name).behaviour.takeBack;
  return uuid;
}

async function aResetServer(state: 'active' | 'error'): Promise<string> {
  const uuid = await aResizedServer();
  await act(uuid, 'resetState', { state });
  return uuid;
}

const UNDECIDED = [
  { title: 'reset to active', begin: () => aResetServer('active'), vmState: 'active' },
  { title: 'reset to error', begin: () => aResetServer('error'), vmState: 'error' },
  { title: 'in ERROR by a revert that failed', begin: aBrokenRevert, vmState: 'error' },
];

test.each(UNDECIDED)('a resized server $title keeps what its source has, and counts as both flavors', async ({ begin, vmState }) => {
  const uuid = await begin();
  expect(await servers()).toMatchObject([{ vmState, taskState: null, host: 'h2' }]);
  expect(await statuses()).toEqual(['finished']);
  expect(powers(uuid)[0]).toBe(4);
  expect(await cores()).toBe(3);
});

test.each(UNDECIDED)('a resized server $title can be reverted', async ({ begin }) => {
  const uuid = await begin();
  await act(uuid, 'revertResize');
  await scene.cloud.settled();
  expect(await servers()).toMatchObject(atHome);
  expect(await statuses()).toEqual(['reverted']);
  await scene.cloud.assertNothingLeftOver();
});

test.each(UNDECIDED)('a resized server $title can be confirmed, and shows what it showed', async ({ begin, vmState }) => {
  const uuid = await begin();
  await act(uuid, 'confirmResize');
  await scene.cloud.settled();
  expect(await servers()).toMatchObject([{ vmState, host: 'h2', flavorId: '2' }]);
  expect(await statuses()).toEqual(['confirmed']);
  expect(powers(uuid)[0]).toBe(null);
  expect(await cores()).toBe(3);
});

test('a server without such a move is confirmed in no state but VERIFY_RESIZE', async () => {
  await scene.cloud.startConductor('c1');
  await scene.cloud.startHost('h1');
  const uuid = await aServer();
  await expect(act(uuid, 'confirmResize')).rejects.toMatchObject({ code: 'ServerStateConflict' });
});

test('the next resize or migration decides about the one before, and what that counted as besides is given back', async () => {
  const uuid = await aResizedServer();
  await act(uuid, 'confirmResize');
  await aFlavorOf('4', 1);
  await aFlavorOf('5', 5);
  await act(uuid, 'resize', { flavorId: '5' });
  await scene.cloud.settled();
  await act(uuid, 'confirmResize');
  const next = async (action: string, options: Record<string, string> = {}) => {
    await act(uuid, action, options);
    await scene.cloud.settled();
    expect(await servers()).toMatchObject([{ vmState: 'resized' }]);
    await act(uuid, 'resetState', { state: 'active' });
  };
  await next('resize', { flavorId: '2' });
  expect(await cores()).toBe(5);
  await next('resize', { flavorId: '4' });
  expect(await cores()).toBe(3);
  await next('migrate');
  expect(await cores()).toBe(1);
  await act(uuid, 'confirmResize');
  await scene.cloud.settled();
  expect(await statuses()).toEqual(['confirmed', 'confirmed', 'error', 'error', 'confirmed']);
  await scene.cloud.assertNothingLeftOver();
});
