import type { LargeWork } from '../cases/case.ts';
import { ensureQuota } from '../cloud/quota.ts';
import { removeServers } from '../cloud/removal.ts';
import { createServer, freshPrefix } from '../cloud/servers.ts';
import type { CloudTarget } from '../cloud/target.ts';
import { withCpu, type Bench, type Measured } from '../measure/bench.ts';
import { deadlineIn } from '../measure/deadline.ts';
import { ErrorTally } from '../measure/errors.ts';
import { paced } from '../measure/pace.ts';
import { distribution } from '../measure/percentiles.ts';
import { idsOf } from './api.ts';
import { readUnderLoad, type Reading } from './readings.ts';

/** Lists, single servers and creates at the same time: what a large cloud does to each of them. */
export async function runLarge(work: LargeWork, bench: Bench, target: CloudTarget): Promise<Measured> {
  const { clock, progress } = bench;
  const { cloud, recipe } = target;
  const errors = new ErrorTally();
  const ids = await idsOf(target, 1_000);
  if (ids.length === 0) throw new Error('the project has no server: run "kilonova db seed" on the database of the test cloud first');
  const prefix = freshPrefix(bench.random);
  const restoreQuota = await ensureQuota(cloud, work.concurrency, target.liftQuota);
  const deadline = deadlineIn(work.seconds * 1_000, clock, bench.signal);
  const { signal } = deadline;
  const read = (reading: Reading, everyMs = 0) =>
    readUnderLoad({
      ...{ cloud, reading, concurrency: 1, signal, clock, everyMs },
      onError: (error) => errors.add(error),
    });
  const createMs: number[] = [];
  let made = 0;
  const create = async (asked: number): Promise<void> => {
    try {
      await createServer(cloud, recipe, `${prefix}${made++}`);
      createMs.push(clock.monotonic() - asked);
    } catch (error) {
      errors.add(error);
    }
    progress.at(Math.min(work.seconds, (clock.monotonic() - began) / 1_000), work.seconds, 'seconds of lists, shows and creates');
  };
  const began = clock.monotonic();
  try {
    const { value, cpu } = await withCpu(bench, async () => {
      const creating = Array.from({ length: work.concurrency }, () => paced(work.createEveryMs, clock, signal, create));
      const [list, detail, show] = await Promise.all([
        read({ name: 'list', path: () => `/servers?limit=${work.pageSize}` }, work.listEveryMs),
        read({ name: 'detail', path: () => `/servers/detail?limit=${work.pageSize}` }, work.listEveryMs),
        read({ name: 'show', path: (turn) => `/servers/${ids[turn % ids.length]}` }),
      ]);
      await Promise.all(creating);
      return { list, detail, show };
    });
    const { list, detail, show } = value;
    return {
      figures: {
        ...distribution('list', list.durationsMs),
        ...distribution('detail', detail.durationsMs),
        ...distribution('show', show.durationsMs),
        ...distribution('create', createMs),
        creates_per_s: createMs.length / list.seconds,
        detail_bytes: detail.bytes,
        errors: errors.count,
      },
      errors,
      cpu: { large: cpu },
      notes: [`meant for a project of ${work.servers} servers: "kilonova db seed --servers ${work.servers} --project ${cloud.projectId}"`],
    };
  } finally {
    deadline.end();
    await removeServers({ ...bench, cloud, errors, prefix, concurrency: 16, tickMs: 500, limitMs: work.timeLimitSeconds * 1_000 });
    await restoreQuota();
  }
}
