import { MAJOR } from '@kilonova/objects';
import { systemClock } from '@kilonova/runtime';
import { expect, test } from 'vitest';
import { stage } from '../testing/story.ts';

const scene = stage({ handOverMs: 20_000 });
const { act, aServer, rows, servers } = scene;

const anOlderConductor = () =>
  rows(
    `insert into services (uuid, "binary", host, version, last_seen_at) values (gen_random_uuid(), 'nova-conductor', 'older', '${MAJOR}.0', kilonova_now())`,
  );
const tasks = () => rows(`select kind, state, owner from tasks where state in ('running', 'parked', 'unwinding')`);

/** A resize of this release whose last order is on its way to its host. */
async function aMove() {
  const { service } = await scene.cloud.startConductor('c1');
  for (const name of ['h1', 'h2']) await scene.cloud.startHost(name);
  const uuid = await aServer();
  const [{ host } = { host: '' }] = await rows<{ host: string }>('select host from instances');
  const destination = scene.cloud.hosts.get(host === 'h1' ? 'h2' : 'h1')!;
  destination.awaited = 'finishIncoming';
  await act(uuid, 'resize', { flavorId: '2' });
  await expect.poll(() => destination.onTheirWay.length, { timeout: 10_000, interval: 10 }).toBeGreaterThan(0);
  return { service, destination };
}

test('a conductor that stops beside one of before ends first what that one does not know', async () => {
  const { service, destination } = await aMove();
  await anOlderConductor();
  const stopped = service.stop();
  // One that does not wait would be gone by then.
  await Promise.race([stopped, systemClock.sleep(1_500)]);
  destination.arrive();
  await stopped;
  expect(await tasks()).toEqual([]);
  expect(await servers()).toMatchObject([{ vmState: 'resized', taskState: null }]);
});

test('a conductor that stops beside none of before hands over what is not done', { timeout: 15_000 }, async () => {
  const { service } = await aMove();
  await service.stop();
  expect(await tasks()).toEqual([{ kind: 'cold-move', state: 'parked', owner: null }]);
});
