import { MAJOR } from '@kilonova/objects';
import { createLogger } from '@kilonova/runtime';
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
  const told = { line: (_line: string): void => {} };
  const log = createLogger('conductor', 'info', { write: (line) => told.line(line) });
  const { service } = await scene.cloud.startConductor('c1', { log });
  for (const name of ['h1', 'h2']) await scene.cloud.startHost(name);
  const uuid = await aServer();
  const [{ host } = { host: '' }] = await rows<{ host: string }>('select host from instances');
  const destination = scene.cloud.hosts.get(host === 'h1' ? 'h2' : 'h1')!;
  destination.awaited = 'finishIncoming';
  await act(uuid, 'resize', { flavorId: '2' });
  await expect.poll(() => destination.onTheirWay.length, { timeout: 10_000, interval: 10 }).toBeGreaterThan(0);
  return { service, destination, told };
}

test('a conductor that stops beside one of before ends first what that one does not know', async () => {
  const { service, destination, told } = await aMove();
  await anOlderConductor();
  told.line = (line) => {
    if (line.includes('waits for tasks')) destination.arrive();
  };
  await service.stop();
  expect(await tasks()).toEqual([]);
  expect(await servers()).toMatchObject([{ vmState: 'resized', taskState: null }]);
});

test('a conductor that stops beside none of before hands over what is not done', { timeout: 15_000 }, async () => {
  const { service } = await aMove();
  await service.stop();
  expect(await tasks()).toEqual([{ kind: 'cold-move', state: 'parked', owner: null }]);
});
