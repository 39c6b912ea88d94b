import type { BootWork, MultibootWork } from '../cases/case.ts';
import { ensureQuota } from '../cloud/quota.ts';
import { Onlooker } from '../cloud/onlooker.ts';
import { removeServers, type Removed } from '../cloud/removal.ts';
import { createServer, freshPrefix, listServers } from '../cloud/servers.ts';
import type { CloudTarget } from '../cloud/target.ts';
import { controlPlaneCpu, spread, withCpu, type Bench, type Measured } from '../measure/bench.ts';
import { ErrorTally } from '../measure/errors.ts';
import { distribution } from '../measure/percentiles.ts';
import { lifecycleCounts } from './lifecycle-counts.ts';

/** What became of the creating. */
interface Boots {
  /** Of each request that made servers; milliseconds. */
  readonly answersMs: readonly number[];
  readonly requestsSeconds: number;
  /** From the request to ACTIVE, of each server. */
  readonly activeMs: readonly number[];
  /** From the first request until the last server was seen ACTIVE. */
  readonly seconds: number;
  readonly made: number;
  readonly failed: number;
  readonly lists: number;
}

/** Makes servers, one request each or one for all, waits until they are ACTIVE, deletes them. */
export async function runBoot(work: BootWork | MultibootWork, bench: Bench, target: CloudTarget): Promise<Measured> {
  const { cloud, liftQuota } = target;
  const errors = new ErrorTally();
  const prefix = freshPrefix(bench.random);
  const restoreQuota = await ensureQuota(cloud, work.servers, liftQuota);
  const concurrency = work.kind === 'boot' ? work.concurrency : 16;
  const remove = () =>
    removeServers({ ...bench, cloud, errors, prefix, concurrency, tickMs: work.tickMs, limitMs: work.timeLimitSeconds * 1_000 });
  let removal: { value: Removed; cpu: Readonly<Record<string, number>> } | undefined;
  try {
    const counts = await lifecycleCounts(bench, () => listServers(cloud, prefix, 'status=ACTIVE'));
    const boots = await withCpu(bench, () => bootAll(work, bench, target, prefix, errors));
    removal = await withCpu(bench, remove);
    const { value: made } = boots;
    const { value: gone } = removal;
    const perBoot = controlPlaneCpu(boots.cpu);
    const perDelete = controlPlaneCpu(removal.cpu);
    const bootsPerS = made.activeMs.length / made.seconds;
    return {
      figures: {
        servers: made.made,
        ...(work.kind === 'multiboot' ? { all_active_s: made.seconds } : { creates_per_s: made.made / made.requestsSeconds }),
        boots_per_s: bootsPerS,
        ...distribution('create', made.answersMs),
        ...distribution('active', made.activeMs),
        ...(perBoot !== undefined && made.activeMs.length > 0 && { cpu_ms_per_boot: (perBoot * 1_000) / made.activeMs.length }),
        deletes_per_s: gone.servers / gone.seconds,
        deletes_vs_boots: gone.servers / gone.seconds / bootsPerS,
        ...distribution('delete', gone.answersMs),
        ...(perDelete !== undefined && gone.servers > 0 && { cpu_ms_per_delete: (perDelete * 1_000) / gone.servers }),
        ...(await counts.perServer(made.made, made.lists + gone.lists)),
        errors: errors.count + made.failed,
      },
      errors,
      cpu: { boot: boots.cpu, delete: removal.cpu },
      notes: made.failed > 0 ? [`${made.failed} servers did not become ACTIVE`] : [],
    };
  } finally {
    if (removal === undefined) await remove();
    await restoreQuota();
  }
}

async function bootAll(
  work: BootWork | MultibootWork,
  { clock, signal, progress }: Bench,
  { cloud, recipe }: CloudTarget,
  prefix: string,
  errors: ErrorTally,
): Promise<Boots> {
  const began = clock.monotonic();
  const beganAt = new Map<string, number>();
  const answersMs: number[] = [];
  const onlooker = new Onlooker(cloud, clock, prefix);
  let allAsked = false;
  let wanted: number = work.servers;
  const create = async (name: string, count: number) => {
    const asked = clock.monotonic();
    try {
      const id = await createServer(cloud, recipe, name, { count });
      answersMs.push(clock.monotonic() - asked);
      beganAt.set(id, asked);
    } catch (error) {
      errors.add(error);
      wanted -= count;
    }
  };
  const watching = onlooker.until(
    () => {
      progress.at(onlooker.active.size, work.servers, 'servers ACTIVE');
      return allAsked && onlooker.settled >= wanted;
    },
    work.tickMs,
    signal,
    (error) => errors.add(error),
  );
  if (work.kind === 'multiboot') await create(prefix, work.servers);
  else await spread(work.servers, work.concurrency, signal, (index) => create(`${prefix}${index}`, 1));
  const requestsSeconds = (clock.monotonic() - began) / 1_000;
  if (work.kind === 'boot') wanted = beganAt.size;
  allAsked = true;
  await watching;
  const seen = [...onlooker.active];
  const made = work.kind === 'multiboot' ? wanted : beganAt.size;
  return {
    answersMs,
    requestsSeconds,
    activeMs: seen.map(([id, at]) => at - (work.kind === 'multiboot' ? began : (beganAt.get(id) ?? began))),
    seconds: (Math.max(began, ...seen.map(([, at]) => at)) - began) / 1_000,
    made,
    failed: made - seen.length,
    lists: onlooker.lists,
  };
}
