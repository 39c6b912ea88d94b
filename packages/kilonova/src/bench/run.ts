import { writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import {
  chooseRecipe,
  Cloud,
  loginFrom,
  progressBar,
  resultOf,
  runCase,
  tableOf,
  type BenchCase,
  type CaseResult,
  type CloudTarget,
  type Run,
  type Targets,
} from '@kilonova/bench';
import { probeDatabase } from '@kilonova/conductor';
import { systemClock, systemRandom } from '@kilonova/runtime';
import type { KilonovaConfig } from '../config/sections.ts';
import { brokerTarget } from './broker-target.ts';
import type { BenchOptions } from './options.ts';

/** Runs the cases one after the other and prints a table of each. Returns the exit code. */
export async function runBenchmarks(options: BenchOptions, config: () => KilonovaConfig): Promise<number> {
  const { signal, ignore } = untilInterrupted();
  const progress = progressBar(process.stderr, () => systemClock.monotonic());
  const bench = {
    ...{ clock: systemClock, random: systemRandom, signal, progress },
    watched: options.watched,
    metricsUrls: options.metricsUrls,
  };
  const targets: Targets = {
    cloud: () => openCloud(options),
    broker: async () => brokerTarget(config()),
    database: (wanted) => probeDatabase(config().database, { ...wanted, clock: systemClock }),
    cut: options.cut,
  };
  const results: CaseResult[] = [];
  try {
    for (const one of options.cases) {
      if (signal.aborted) break;
      const runs: Run[] = [];
      while (runs.length < options.runs && !signal.aborted) runs.push(await runCase(one, bench, targets));
      progress.clear();
      const result = resultOf(one, runs);
      results.push(result);
      process.stdout.write(`${tableOf(result)}\n\n`);
      // After each case: what was measured is kept when a later one fails.
      if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(report(results), null, 2)}\n`);
    }
  } finally {
    progress.clear();
    ignore();
  }
  if (signal.aborted) return 130;
  return results.some(({ runs }) => runs.some(({ errors }) => errors.count > 0)) ? 1 : 0;
}

const report = (results: readonly CaseResult[]) => ({
  at: new Date(systemClock.now()).toISOString(),
  node: process.version,
  cores: cpus().length,
  memoryMb: Math.round(totalmem() / 1_048_576),
  cases: results satisfies readonly { readonly work: BenchCase['work'] }[],
});

async function openCloud({ image, flavor, liftQuota }: BenchOptions): Promise<CloudTarget> {
  const cloud = await Cloud.open(loginFrom(process.env));
  const recipe = await chooseRecipe(cloud, { ...(image !== undefined && { image }), ...(flavor !== undefined && { flavor }) });
  return { cloud, recipe, liftQuota };
}

/** The first Ctrl-C lets a run take back what it made; the second ends the process. */
function untilInterrupted(): { readonly signal: AbortSignal; ignore(): void } {
  const controller = new AbortController();
  const onSignal = () => {
    if (controller.signal.aborted) process.exit(130);
    controller.abort(new Error('interrupted'));
    process.stderr.write('\nEnding, and taking back what was made. Once more does not wait for that.\n');
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  return {
    signal: controller.signal,
    ignore() {
      process.off('SIGINT', onSignal);
      process.off('SIGTERM', onSignal);
    },
  };
}
