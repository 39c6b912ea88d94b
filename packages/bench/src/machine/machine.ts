import type { BrokerTarget } from '../agents/target.ts';
import type { MachineWork } from '../cases/case.ts';
import type { Bench, Measured } from '../measure/bench.ts';
import { rawEcho } from './raw-echo.ts';

/** Rates of the configuration's database by statements by hand; see the conductor's `probeDatabase`. */
export type DatabaseProbe = (options: {
  readonly clients: number;
  readonly ms: number;
  readonly signal: AbortSignal;
}) => Promise<{ readonly commitsPerS: number; readonly readsPerS: number }>;

/** What broker and database can do on this machine just now: the other figures of the same hour are to be seen beside these. */
export async function runMachine(work: MachineWork, bench: Bench, { url }: BrokerTarget, probe: DatabaseProbe): Promise<Measured> {
  const { signal, progress } = bench;
  const ms = work.seconds * 1_000;
  progress.at(0, 3, 'rates of the machine');
  const one = await rawEcho(url, 1, ms, bench);
  progress.at(1, 3, 'rates of the machine');
  const many = await rawEcho(url, work.concurrency, ms, bench);
  progress.at(2, 3, 'rates of the machine');
  const { commitsPerS, readsPerS } = await probe({ clients: work.concurrency, ms, signal });
  return {
    figures: {
      echo_c1_per_s: one.perS,
      echo_c1_p50_ms: one.p50Ms,
      [`echo_c${work.concurrency}_per_s`]: many.perS,
      [`commits_c${work.concurrency}_per_s`]: commitsPerS,
      [`reads_c${work.concurrency}_per_s`]: readsPerS,
      errors: 0,
    },
    errors: { count: 0, samples: [] },
    cpu: {},
    notes: ['echo: plain amqplib with both ends in this process; commits: one row each'],
  };
}
