import cluster from 'node:cluster';
import { Counter } from 'prom-client';
import type { KilonovaConfig } from '../config/sections.ts';
import { runServiceProcess, type Starting } from '../process/service-process.ts';
import { WORKER_NUMBER, workerNumber } from './channel.ts';
import { WorkerGroup } from './group.ts';
import { WholeLines } from './whole-lines.ts';

/** Workers are killed so long before the grace of their parent has passed; milliseconds. */
const KILL_EARLY_MS = 500;

/**
 * Runs a service in `count` processes under one parent, which they share an address with if they listen: it starts another
 * one for each that ends, and answers their probes on one port. With one only there is no parent. Returns the exit code.
 */
export const runInWorkers = (
  name: string,
  count: number,
  config: KilonovaConfig,
  open: (starting: Starting) => Promise<void>,
): Promise<number> =>
  runServiceProcess(name, config, count === 1 || workerNumber() !== undefined ? open : (starting) => startWorkers(count, starting));

async function startWorkers(count: number, starting: Starting): Promise<void> {
  const { config, surroundings, add, onStop, showMetrics, writeLines } = starting;
  const { clock, log, metrics } = surroundings();
  const { workerRestartMinMs, workerRestartMaxMs, workerSignMs, workerSilentMs, graceMs } = config.process;
  const ends = new Counter({
    name: 'kilonova_worker_ends_total',
    help: 'Workers that ended without being told to.',
    registers: [metrics],
  });
  // Workers take their connections from the kernel. Handed over by their parent, one that is given to a worker which dies before
  // it took it would hang; and one that stands still takes none.
  cluster.schedulingPolicy = cluster.SCHED_NONE;
  cluster.setupPrimary({ stdio: ['ignore', 'pipe', 'inherit', 'ipc'] });
  const group = new WorkerGroup({
    ...{ count, clock, log, restartMinMs: workerRestartMinMs, restartMaxMs: workerRestartMaxMs },
    ...{ signMs: workerSignMs, silentMs: workerSilentMs, answerMs: config.probes.healthTimeoutMs / 2 },
    onEnd: () => ends.inc(),
    fork: (number) => {
      const worker = cluster.fork({ [WORKER_NUMBER]: String(number) });
      worker.process.stdout?.pipe(new WholeLines()).on('data', (lines: Buffer) => writeLines(lines.toString()));
      return worker;
    },
  });
  onStop(() => group.stop(Math.max(graceMs / 2, graceMs - KILL_EARLY_MS)));
  showMetrics(() => group.metrics());
  const [url] = await group.start();
  add({ name: 'worker', ...(url !== undefined && { url }), health: () => group.health(), stop: async () => undefined });
}
