import type { IdleWork } from '../cases/case.ts';
import { controlPlaneCpu, withCpu, type Bench, type Measured } from '../measure/bench.ts';

/** Ours, without database, broker and the built-in identity and image services. */
const SERVICES = new Set(['api', 'conductor', 'scheduler', 'compute']);

/** @throws Error when no process is watched */
export async function runIdle(work: IdleWork, bench: Bench): Promise<Measured> {
  const { clock, signal, progress, watched } = bench;
  if (watched.names.length === 0) throw new Error('idle looks at processes: name them with --watch');
  const { cpu } = await withCpu(bench, async () => {
    for (let second = 0; second < work.seconds && !signal.aborted; second += 1) {
      progress.at(second, work.seconds, 'seconds at rest');
      await clock.sleep(Math.min(1, work.seconds - second) * 1_000, signal).catch(() => undefined);
    }
  });
  const services = Object.entries(watched.memoryMb()).filter(([name]) => SERVICES.has(name));
  return {
    figures: {
      ...(services.length > 0 && { services_mb: services.reduce((sum, [, mb]) => sum + mb, 0) }),
      idle_cores: (controlPlaneCpu(cpu) ?? 0) / work.seconds,
      errors: 0,
    },
    errors: { count: 0, samples: [] },
    cpu: { idle: cpu },
    notes: [],
  };
}
