import type { ApiWork } from '../cases/case.ts';
import { ensureQuota } from '../cloud/quota.ts';
import { Onlooker } from '../cloud/onlooker.ts';
import { removeServers } from '../cloud/removal.ts';
import { createServer, freshPrefix } from '../cloud/servers.ts';
import type { CloudTarget } from '../cloud/target.ts';
import { controlPlaneCpu, spread, withCpu, type Bench, type Measured } from '../measure/bench.ts';
import { deadlineIn } from '../measure/deadline.ts';
import { ErrorTally } from '../measure/errors.ts';
import { distribution } from '../measure/percentiles.ts';
import type { CpuSeconds } from '../measure/processes.ts';
import { readings, readUnderLoad } from './readings.ts';

const MAKERS = 8;
const TICK_MS = 250;

/** Each reading alone, at each concurrency, for so many seconds. */
export async function runApi(work: ApiWork, bench: Bench, target: CloudTarget): Promise<Measured> {
  const { clock, signal, progress } = bench;
  const { cloud } = target;
  const errors = new ErrorTally();
  const prefix = freshPrefix(bench.random);
  const there = await idsOf(target, work.servers);
  const missing = work.servers - there.length;
  const restoreQuota = missing > 0 ? await ensureQuota(cloud, missing, target.liftQuota) : async () => undefined;
  try {
    const ids = missing > 0 ? [...there, ...(await makeServers(missing, prefix, bench, target, errors))] : there;
    const figures: Record<string, number> = { servers: ids.length };
    const cpu: Record<string, CpuSeconds> = {};
    const all = ids.length === 0 ? [] : readings(ids);
    for (const [index, reading] of all.entries())
      for (const concurrency of work.concurrencies) {
        if (signal.aborted) break;
        progress.at(index, all.length, `readings: ${reading.name}, ${concurrency} at once`);
        const phase = `${reading.name}_c${concurrency}`;
        const until = deadlineIn(work.seconds * 1_000, clock, signal);
        const found = await withCpu(bench, () =>
          readUnderLoad({
            ...{ cloud, reading, concurrency, signal: until.signal, clock },
            onError: (error) => errors.add(error),
          }),
        );
        until.end();
        const { durationsMs, bytes, seconds } = found.value;
        cpu[phase] = found.cpu;
        figures[`${phase}_per_s`] = durationsMs.length / seconds;
        Object.assign(figures, distribution(phase, durationsMs));
        const spent = controlPlaneCpu(found.cpu);
        if (spent !== undefined && durationsMs.length > 0) figures[`${phase}_cpu_ms`] = (spent * 1_000) / durationsMs.length;
        figures[`${reading.name}_bytes`] = bytes;
      }
    return { figures: { ...figures, errors: errors.count }, errors, cpu, notes: [] };
  } finally {
    if (missing > 0)
      await removeServers({
        ...bench,
        cloud,
        errors,
        prefix,
        concurrency: MAKERS,
        tickMs: TICK_MS,
        limitMs: work.timeLimitSeconds * 1_000,
      });
    await restoreQuota();
  }
}

/** Ids of servers that the project has, at most so many (one page at most). */
export async function idsOf({ cloud }: CloudTarget, atMost: number): Promise<readonly string[]> {
  const limit = Math.min(atMost, 1_000);
  const { body } = await cloud.ask<{ servers: readonly { id: string }[] }>(`/servers?limit=${limit}`);
  return body.servers.map(({ id }) => id);
}

async function makeServers(
  count: number,
  prefix: string,
  { clock, signal, progress }: Bench,
  { cloud, recipe }: CloudTarget,
  errors: ErrorTally,
): Promise<readonly string[]> {
  const onlooker = new Onlooker(cloud, clock, prefix);
  let made = 0;
  await spread(count, MAKERS, signal, async (index) => {
    try {
      await createServer(cloud, recipe, `${prefix}${index}`);
      made += 1;
    } catch (error) {
      errors.add(error);
    }
  });
  const settled = () => {
    progress.at(onlooker.active.size, count, 'servers ACTIVE');
    return onlooker.settled >= made;
  };
  await onlooker.until(settled, TICK_MS, signal, (error) => errors.add(error));
  return [...onlooker.active.keys()];
}
