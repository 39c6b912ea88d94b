import type { Clock, Random } from '@kilonova/runtime';
import type { CpuSeconds } from './processes.ts';
import { cpuBetween, type WatchedProcesses } from './processes.ts';

/** Tells a person how far it is. */
export interface Progress {
  /** `done` of `of` of what is told in a few words: `servers ACTIVE`. */
  at(done: number, of: number, what: string): void;
  /** A line that stays. */
  note(line: string): void;
}

/** What a case is handed. */
export interface Bench {
  readonly clock: Clock;
  readonly random: Random;
  /** Aborted by Ctrl-C or at the time limit: no new work, what was made is taken back. */
  readonly signal: AbortSignal;
  readonly progress: Progress;
  readonly watched: WatchedProcesses;
  /** Addresses of /metrics of the control plane's processes; empty: nothing is counted. */
  readonly metricsUrls: readonly string[];
}

/** What a case found. */
export interface Measured {
  /** By name, the unit at its end. */
  readonly figures: Readonly<Record<string, number>>;
  readonly errors: { readonly count: number; readonly samples: readonly string[] };
  /** By phase, then by name of a process. */
  readonly cpu: Readonly<Record<string, CpuSeconds>>;
  /** What a reader should know beside the figures. */
  readonly notes: readonly string[];
}

/** The name under which the load client's own CPU is listed. */
export const OWN = 'bench';

/** The CPU that the watched processes and this one take while `act` runs. */
export async function withCpu<T>({ watched }: Pick<Bench, 'watched'>, act: () => Promise<T>): Promise<{ value: T; cpu: CpuSeconds }> {
  const own = process.cpuUsage();
  const before = watched.read();
  const value = await act();
  const cpu = cpuBetween(before, watched.read());
  const { user, system } = process.cpuUsage(own);
  return { value, cpu: { ...cpu, [OWN]: (user + system) / 1_000_000 } };
}

/** Fake hosts and the load are no part of the control plane. */
const APART = new Set([OWN, 'compute', 'hosts', 'agents']);

/** CPU seconds of services, database and broker together; undefined when none is watched. */
export function controlPlaneCpu(cpu: CpuSeconds): number | undefined {
  const counted = Object.entries(cpu).filter(([name]) => !APART.has(name));
  return counted.length === 0 ? undefined : counted.reduce((sum, [, seconds]) => sum + seconds, 0);
}

/** `at once` workers that each do the next number below `count` until none is left or the signal is aborted. */
export async function spread(count: number, atOnce: number, signal: AbortSignal, act: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  await Promise.all(
    Array.from({ length: Math.min(count, atOnce) }, async () => {
      while (next < count && !signal.aborted) await act(next++);
    }),
  );
}
