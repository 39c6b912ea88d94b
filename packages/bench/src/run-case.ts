import { loadavg } from 'node:os';
import { runAgents } from './agents/agents.ts';
import type { BrokerTarget, Cut } from './agents/target.ts';
import { runApi } from './api/api.ts';
import { runLarge } from './api/large.ts';
import { runBoot } from './boot/boot.ts';
import { runFirst } from './boot/first.ts';
import { runSingle } from './boot/single.ts';
import type { BenchCase } from './cases/case.ts';
import type { CloudTarget } from './cloud/target.ts';
import type { Bench, Measured } from './measure/bench.ts';
import { deadlineIn } from './measure/deadline.ts';
import { takeReference, type Reference } from './measure/reference.ts';
import { runIdle } from './idle/idle.ts';
import { type DatabaseProbe, runMachine } from './machine/machine.ts';
import { runScheduler } from './scheduler/scheduler.ts';

/** What is measured; each is opened only for a case that needs it. */
export interface Targets {
  readonly cloud: () => Promise<CloudTarget>;
  readonly broker: () => Promise<BrokerTarget>;
  readonly database: DatabaseProbe;
  readonly cut: Cut;
}

/** One run of a case. */
export interface Run extends Measured {
  readonly startedAt: string;
  readonly seconds: number;
  /** Of one minute, as the machine tells it. */
  readonly load: { readonly before: number; readonly after: number };
  /** Not of small runs: their times say nothing. */
  readonly machine: Reference | undefined;
  /** Ended before its end: by its time limit or by a person. */
  readonly cutShort: boolean;
}

/** @throws Error when what is measured cannot be reached */
export async function runCase({ work, targets: aims }: BenchCase, bench: Bench, targets: Targets): Promise<Run> {
  const { clock } = bench;
  const startedAt = new Date(clock.now()).toISOString();
  const began = clock.monotonic();
  const [before = 0] = loadavg();
  const machine = aims.length === 0 ? undefined : takeReference();
  // That took half a second in which nothing else was heard: connections that were closed meanwhile must not be asked.
  await clock.sleep(1);
  const deadline = deadlineIn(work.timeLimitSeconds * 1_000, clock, bench.signal);
  const { signal } = deadline;
  const measured = await measure({ ...bench, signal }).finally(() => deadline.end());
  const [after = 0] = loadavg();
  const memory = Object.entries(bench.watched.memoryMb()).map(([name, mb]) => [`memory_mb_${name}`, mb] as const);
  return {
    ...measured,
    figures: { ...measured.figures, ...Object.fromEntries(memory) },
    startedAt,
    seconds: (clock.monotonic() - began) / 1_000,
    load: { before, after },
    machine,
    cutShort: signal.aborted,
  };

  async function measure(bounded: Bench): Promise<Measured> {
    switch (work.kind) {
      case 'boot':
      case 'multiboot':
        return runBoot(work, bounded, await targets.cloud());
      case 'single':
        return runSingle(work, bounded, await targets.cloud());
      case 'api':
        return runApi(work, bounded, await targets.cloud());
      case 'large':
        return runLarge(work, bounded, await targets.cloud());
      case 'first':
        return runFirst(work, bounded, targets.cloud);
      case 'idle':
        return runIdle(work, bounded);
      case 'scheduler':
        return runScheduler(work, bounded);
      case 'machine':
        return runMachine(work, bounded, await targets.broker(), targets.database);
      case 'agents':
        return runAgents(work, bounded, await targets.broker(), targets.cut);
    }
  }
}
