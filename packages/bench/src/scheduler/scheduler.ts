import { defaultsOf, seededRandom } from '@kilonova/runtime';
import { Scheduler, schedulerSection } from '@kilonova/scheduler';
import type { SchedulerWork } from '../cases/case.ts';
import { OWN, withCpu, type Bench, type Measured } from '../measure/bench.ts';
import { ErrorTally } from '../measure/errors.ts';
import { distribution } from '../measure/percentiles.ts';
import { Claims } from './claims.ts';
import { madeUpHost } from './hosts.ts';
import { loadSnapshot } from './loaded-snapshot.ts';
import { mixes } from './mixes.ts';

const SEED = 4_711;
/** Placements between two looks at the clock and the signal. */
const STRETCH_MS = 50;
/** Classes of requests are met for the first time here, and code is compiled. */
const WARM_UP_PART = 0.1;
const CLAIMS_PER_HOST = 3;

/** Loads a snapshot of made-up hosts, then places one instance after the other; each placement is applied to the snapshot. */
export async function runScheduler(work: SchedulerWork, { clock, signal, progress, watched }: Bench): Promise<Measured> {
  const errors = new ErrorTally();
  const loaded = await loadSnapshot({ hosts: work.hosts, hostAt: madeUpHost }, clock, signal, (done) =>
    progress.at(done, work.hosts, 'hosts loaded'),
  );
  const random = seededRandom(SEED);
  const scheduler = new Scheduler(defaultsOf(schedulerSection), loaded.snapshot, random);
  const claims = new Claims(loaded.snapshot, work.hosts * CLAIMS_PER_HOST);
  const mix = mixes[work.mix](random);
  let notPlaced = 0;
  const place = () => {
    const request = mix.next();
    const host = scheduler.select(request).selections[0]?.hosts[0];
    if (host === undefined) {
      notPlaced += 1;
      return;
    }
    claims.claim(host, request);
    mix.placed(request, host);
  };
  const placeFor = async (ms: number): Promise<number[]> => {
    const took: number[] = [];
    const began = clock.monotonic();
    for (let now = began; now - began < ms && !signal.aborted;) {
      const stretchEnds = now + STRETCH_MS;
      do {
        const asked = now;
        place();
        now = clock.monotonic();
        took.push(now - asked);
      } while (now < stretchEnds);
      progress.at(Math.min(ms, now - began), ms, 'milliseconds of placing');
      await new Promise((resolve) => setImmediate(resolve));
    }
    return took;
  };
  await placeFor(work.seconds * WARM_UP_PART * 1_000);
  notPlaced = 0;
  const { value: took, cpu } = await withCpu({ watched }, () => placeFor(work.seconds * 1_000));
  const spentMs = took.reduce((sum, ms) => sum + ms, 0);
  return {
    figures: {
      hosts: loaded.snapshot.hosts.size,
      load_s: loaded.seconds,
      snapshot_mb: loaded.megabytes,
      placements: took.length,
      placements_per_s: (took.length * 1_000) / spentMs,
      placements_per_cpu_s: took.length / (cpu[OWN] ?? Number.NaN),
      ...distribution('placement', took),
      not_placed: notPlaced,
      errors: errors.count,
    },
    errors,
    cpu: { placing: cpu },
    notes: ['a placement is the decision and the news of its claim, applied; the load is timed with both ends of the wire in this process'],
  };
}
