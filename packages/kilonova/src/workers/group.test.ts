import cluster from 'node:cluster';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLogger, systemClock } from '@kilonova/runtime';
import { expect, onTestFinished, test } from 'vitest';
import { WorkerGroup } from './group.ts';

/** What a worker does at the least: it says that it is ready, gives signs of life, and ends when it is told to. */
const WORKER = `
process.send({ kilonova: 'ready', addresses: ['here'] });
process.on('message', ({ id }) => process.send({ kilonova: 'answer', id, told: { health: { ok: true, checks: {} } } }));
process.on('SIGTERM', () => process.exit());
`;

/** A group of one, of which the system starts a worker as long as `state.starts`. */
function aGroup() {
  const folder = mkdtempSync(join(tmpdir(), 'kilonova-workers-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const exec = join(folder, 'worker.cjs');
  writeFileSync(exec, WORKER);
  const state = { starts: true, ends: 0, lines: [] as string[] };
  const workers: ReturnType<typeof cluster.fork>[] = [];
  const group = new WorkerGroup({
    ...{ count: 1, clock: systemClock, restartMinMs: 10, restartMaxMs: 50, signMs: 50, silentMs: 2_000, answerMs: 1_000 },
    log: createLogger('kilonova', 'info', { write: (line) => void state.lines.push(line) }),
    onEnd: () => (state.ends += 1),
    fork: () => {
      cluster.setupPrimary({ exec, args: [], execArgv: [], cwd: state.starts ? folder : join(folder, 'missing') });
      const worker = cluster.fork();
      workers.push(worker);
      return worker;
    },
  });
  onTestFinished(() => group.stop(100));
  return { group, state, workers };
}

test('a worker that the system does not start is tried again until it does', async () => {
  const { group, state, workers } = aGroup();
  expect(await group.start()).toEqual(['here']);
  state.starts = false;
  workers[0]!.process.kill('SIGKILL');
  await expect.poll(() => state.ends).toBeGreaterThan(2);
  expect(state.lines.some((line) => line.includes('ENOENT') && line.includes('another one takes its place'))).toBe(true);
  state.starts = true;
  await expect.poll(async () => (await group.health()).ok).toBe(true);
});

test('a group whose first worker the system does not start says so, and stops', async () => {
  const { group, state } = aGroup();
  state.starts = false;
  await expect(group.start()).rejects.toThrow(/worker 1 ended with .*ENOENT/);
  await group.stop(100);
});

test('a group that is stopped before the system refused its worker waits for none', async () => {
  const { group, state } = aGroup();
  state.starts = false;
  void group.start();
  await group.stop(60_000);
  expect(state.ends).toBe(0);
});
