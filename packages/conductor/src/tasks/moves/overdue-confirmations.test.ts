import { expect, test } from 'vitest';
import { stage } from '../../testing/story.ts';

const scene = stage({ resizeConfirmWindowS: 1, resizeConfirmLookMs: 30 });

test('a resize that nobody decides about is confirmed by itself', async () => {
  const { cloud } = scene;
  await cloud.startConductor('c1');
  for (const name of ['h1', 'h2']) await cloud.startHost(name);
  const uuid = await scene.aServer();
  await scene.act(uuid, 'resize', { flavorId: '2' });
  await expect.poll(scene.servers, { timeout: 10_000 }).toMatchObject([{ vmState: 'active', host: 'h2', flavorId: '2' }]);
  await cloud.settled();
  await cloud.assertNothingLeftOver();
  expect(await scene.rows('select status from server_migrations')).toEqual([{ status: 'confirmed' }]);
});
