import { readFileSync } from 'node:fs';
import type { AgentsWork } from '../cases/case.ts';
import { controlPlaneCpu, withCpu, type Bench, type Measured } from '../measure/bench.ts';
import { ErrorTally } from '../measure/errors.ts';
import { Fleet } from './fleet.ts';
import { openRaw } from './raw-connections.ts';
import type { BrokerTarget, Cut } from './target.ts';
import { openWire } from './wire.ts';

/** Files that this process has open besides its connections. */
const OTHER_FILES = 200;

/** Agents at rest, then a cut of all connections; plain amqplib opens as many before, as the measure of the machine. */
export async function runAgents(work: AgentsWork, bench: Bench, target: BrokerTarget, cut: Cut): Promise<Measured> {
  expectOpenFiles(work.agents * (cut === 'wire' ? 3 : 1) + OTHER_FILES);
  const { clock, signal, progress } = bench;
  const errors = new ErrorTally();
  const wire = cut === 'wire' ? await openWire(target.url) : undefined;
  const through = (url: string) => wire?.through(url) ?? url;
  const fleet = new Fleet(bench, target);
  try {
    const raw = await openRaw(through(target.url), work.agents, work.concurrency, bench);
    await raw.close();

    const began = clock.monotonic();
    await fleet.start({ agents: work.agents, atOnce: work.concurrency, heartbeatMs: work.heartbeatMs }, through, errors);
    const startSeconds = (clock.monotonic() - began) / 1_000;

    const rest = async (seconds: number, what: string) => {
      for (let second = 0; second < seconds && !signal.aborted; second += 1) {
        progress.at(second, seconds, what);
        await clock.sleep(Math.min(1, seconds - second) * 1_000, signal).catch(() => undefined);
      }
    };
    await rest(work.settleSeconds, 'seconds to settle');
    const bytesBefore = wire?.bytes ?? 0;
    const resting = await withCpu(bench, () => rest(work.seconds, 'seconds at rest'));
    const restBytes = (wire?.bytes ?? 0) - bytesBefore;

    const cutAt = clock.monotonic();
    const storm = await withCpu(bench, async () => {
      if (wire !== undefined) wire.cut();
      else progress.note('Restart the broker now.');
      await fleet.untilLost(cutAt);
      return fleet.untilBack(cutAt);
    });
    const { whole, firstBackAt } = storm.value;
    const countedFrom = wire === undefined ? firstBackAt : cutAt;
    const reconnectSeconds = (clock.monotonic() - countedFrom) / 1_000;
    if (!whole) errors.add(new Error('not every agent came back before the end'));
    const idle = controlPlaneCpu(resting.cpu);
    return {
      figures: {
        agents: fleet.size,
        raw_open_s: raw.seconds,
        start_s: startSeconds,
        ...(idle !== undefined && { idle_cores: idle / work.seconds }),
        ...(wire !== undefined && { rest_bytes_per_agent_s: restBytes / fleet.size / work.seconds }),
        ...(whole && { reconnect_s: reconnectSeconds, reconnect_vs_raw: reconnectSeconds / raw.seconds }),
        ...(wire !== undefined && { peak_connects_per_s: busiestSecond(wire.openedAt.filter((at) => at >= cutAt)) }),
        errors: errors.count,
      },
      errors,
      cpu: { rest: resting.cpu, storm: storm.cpu },
      notes: [
        'the CPU of the agents is listed as "bench"',
        ...(idle === undefined ? ['idle_cores needs --watch for the processes of the control plane'] : []),
      ],
    };
  } finally {
    await fleet.stop(errors);
    await wire?.stop();
  }
}

/** @param moments ascending; milliseconds */
export function busiestSecond(moments: readonly number[]): number {
  let most = 0;
  let first = 0;
  for (const [index, moment] of moments.entries()) {
    while (moments[first]! <= moment - 1_000) first += 1;
    most = Math.max(most, index - first + 1);
  }
  return most;
}

/** @throws Error that says what to raise */
function expectOpenFiles(needed: number): void {
  let limits: string;
  try {
    limits = readFileSync('/proc/self/limits', 'utf8');
  } catch {
    return; // not Linux: the first refused connection will say so
  }
  const allowed = Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? Number.POSITIVE_INFINITY);
  if (allowed < needed)
    throw new Error(
      `${needed} open files are needed and ${allowed} allowed: raise "ulimit -n", have fewer --agents, or --cut operator, which takes a third`,
    );
}
