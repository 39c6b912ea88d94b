import { systemClock } from '@kilonova/runtime';
import { describe, expect, test } from 'vitest';
import { aRequest } from '../../testing/services.ts';
import { stage } from '../../testing/story.ts';

const scene = stage({ resizeConfirmWindowS: 1, resizeConfirmLookMs: 30, resizeConfirmBatch: 1 });
const { rows, servers } = scene;

test('a resize that nobody decides about is confirmed by itself', async () => {
  const { cloud } = scene;
  await cloud.startConductor('c1');
  for (const name of ['h1', 'h2']) await cloud.startHost(name);
  const uuid = await scene.aServer();
  await scene.act(uuid, 'resize', { flavorId: '2' });
  await expect.poll(servers, { timeout: 10_000 }).toMatchObject([{ vmState: 'active', host: 'h2', flavorId: '2' }]);
  await cloud.settled();
  await cloud.assertNothingLeftOver();
  expect(await rows('select status from server_migrations')).toEqual([{ status: 'confirmed' }]);
});

describe('of two resized servers', () => {
  const states = async () =>
    new Map(
      (await rows<{ uuid: string; state: string }>('select uuid, vm_state as state from instances')).map((row) => [row.uuid, row.state]),
    );

  /** The one that waits for longer cannot be confirmed, for the reason that the code says. */
  async function twoResized(code: string) {
    const { cloud } = scene;
    await cloud.startConductor('c1');
    for (const name of ['h1', 'h2']) await cloud.startHost(name);
    const [older, younger] = [await cloud.create(aRequest()), await cloud.create(aRequest())].map(({ serverUuids }) => serverUuids[0]!);
    await cloud.settled();
    await rows(`
      create or replace function refuse() returns trigger language plpgsql as $$ begin raise exception 'not this one' using errcode = '${code}'; end $$;
      create or replace trigger refuse before update on instances for each row
        when (old.uuid = '${older}' and old.vm_state = 'resized' and new.vm_state <> 'resized') execute function refuse()`);
    for (const uuid of [older!, younger!]) {
      await scene.act(uuid, 'resize', { flavorId: '2' });
      await expect.poll(async () => (await states()).get(uuid), { timeout: 5_000 }).toBe('resized');
    }
    await rows(`update server_migrations set updated_at = updated_at - interval '1 minute' where instance_uuid = '${older}'`);
    return { older: older!, younger: younger! };
  }

  test.each([
    { title: 'is in a state that cannot be', code: '23514' },
    { title: 'is locked for too long', code: '55P03' },
  ])('the younger one is confirmed although the older one $title', async ({ code }) => {
    const { older, younger } = await twoResized(code);
    await expect.poll(async () => (await states()).get(younger), { timeout: 5_000 }).toBe('active');
    expect((await states()).get(older)).toBe('resized');
    await rows('drop trigger refuse on instances');
    await expect.poll(async () => (await states()).get(older), { timeout: 5_000 }).toBe('active');
    await scene.cloud.settled();
    await scene.cloud.assertNothingLeftOver();
  });

  test('none is tried when the database went away at the first, until it is back', async () => {
    const { younger } = await twoResized('57P01');
    await rows(`update server_migrations set updated_at = updated_at - interval '10 seconds' where instance_uuid = '${younger}'`);
    await systemClock.sleep(300);
    expect([...(await states()).values()]).toEqual(['resized', 'resized']);
    await rows('drop trigger refuse on instances');
    await expect.poll(async () => [...(await states()).values()], { timeout: 5_000 }).toEqual(['active', 'active']);
    await scene.cloud.settled();
  });
});
