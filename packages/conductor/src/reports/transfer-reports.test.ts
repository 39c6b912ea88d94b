/** Progress of live migrations, as hosts tell it. */
import { TransferProgress, TransferReport, TransferReports } from '@kilonova/objects';
import { expect, test } from 'vitest';
import { stage } from '../testing/story.ts';

const scene = stage({ transferCollectMs: 50, transferReportsMax: 4, transferReportsPerHost: 2, resendMinMs: 50, resendMaxMs: 50 });
const { act, aServer, rows } = scene;
const host = (name: string) => scene.cloud.hosts.get(name)!;

const shown = () =>
  rows(`select m.memory_total_bytes::integer as total, m.memory_remaining_bytes::integer as remaining, m.disk_processed_bytes::integer as disk, i.progress
    from server_migrations m join instances i on i.uuid = m.instance_uuid`);

async function running() {
  await scene.cloud.startConductor('c1');
  for (const name of ['h1', 'h2']) await scene.cloud.startHost(name);
  const uuid = await aServer();
  host('h1').behaviour.migrateOut = 'ignore';
  await act(uuid, 'liveMigrate', { async: 'true' });
  await expect.poll(() => rows('select status from server_migrations')).toEqual([{ status: 'running' }]);
  const tell = (from: string, changes: Partial<TransferReport>, progress: Partial<TransferProgress>) => {
    const transfer = Object.assign(new TransferReport(), { operationId: 'x/y', instanceUuid: uuid, generation: 1, number: 1, ...changes });
    transfer.progress = Object.assign(new TransferProgress(), progress);
    return host(from).reports.reportTransfers(Object.assign(new TransferReports(), { host: from, transfers: [transfer] }));
  };
  return { uuid, tell };
}

test('progress that the source tells shows in the migration and the server, the newest of it', async () => {
  const { tell } = await running();
  await tell('h1', { number: 7 }, { memoryTotalBytes: 400, memoryRemainingBytes: 100, diskProcessedBytes: 5 });
  await expect.poll(shown).toEqual([{ total: 400, remaining: 100, disk: 5, progress: 75 }]);
  await tell('h1', { number: 6 }, { memoryTotalBytes: 400, memoryRemainingBytes: 300 });
  await tell('h1', { number: 8 }, { memoryTotalBytes: 400, memoryRemainingBytes: 20 });
  await expect.poll(shown).toEqual([{ total: 400, remaining: 20, disk: 0, progress: 95 }]);
  host('h1').behaviour.migrateOut = 'do';
  await scene.cloud.settled();
  expect(await shown()).toMatchObject([{ total: 400, progress: 0 }]);
});

test('progress counts only from the host that the server is on, at its generation, and while it is sent', async () => {
  const { tell, uuid } = await running();
  const some = { memoryTotalBytes: 400, memoryRemainingBytes: 100 };
  await tell('h2', { number: 9 }, some);
  await tell('h1', { number: 9, generation: 2 }, some);
  await tell('h1', { number: 9, instanceUuid: 'no uuid' }, some);
  // What came before was written or dropped when this is there.
  await tell('h1', { number: 1 }, { memoryTotalBytes: 1, memoryRemainingBytes: 1 });
  await expect.poll(shown).toEqual([{ total: 1, remaining: 1, disk: 0, progress: 0 }]);
  host('h1').behaviour.migrateOut = 'fail';
  await scene.cloud.settled();
  await tell('h1', { number: 20 }, some);
  await expect(act(uuid, 'stop')).resolves.toBeDefined();
  await scene.cloud.settled();
  expect(await shown()).toEqual([{ total: 1, remaining: 1, disk: 0, progress: 0 }]);
});

test('what a host says that is no number of bytes spoils nothing', async () => {
  const { tell } = await running();
  await tell('h1', { number: 3 }, { memoryTotalBytes: 1e300, memoryRemainingBytes: -5 });
  await tell('h1', { number: 2 }, { memoryTotalBytes: 400, memoryRemainingBytes: 100 });
  await expect.poll(shown).toEqual([{ total: 400, remaining: 100, disk: 0, progress: 75 }]);
});

test('a host that makes up what it sends keeps no other from being heard', async () => {
  const { tell } = await running();
  for (let made = 1; made <= 9; made += 1) await tell('h2', { instanceUuid: `99999999-9999-4999-8999-99999999999${made}` }, {});
  await tell('h1', { number: 1 }, { memoryTotalBytes: 400, memoryRemainingBytes: 100 });
  await expect.poll(shown).toEqual([{ total: 400, remaining: 100, disk: 0, progress: 75 }]);
});

test('a host that had too much to say is heard again when that is written', async () => {
  const { tell } = await running();
  for (let made = 1; made <= 9; made += 1) await tell('h1', { instanceUuid: `99999999-9999-4999-8999-99999999999${made}` }, {});
  await expect
    .poll(async () => {
      await tell('h1', { number: 1 }, { memoryTotalBytes: 400, memoryRemainingBytes: 100 });
      return shown();
    })
    .toEqual([{ total: 400, remaining: 100, disk: 0, progress: 75 }]);
});
