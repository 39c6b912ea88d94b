import { setTimeout as pause } from 'node:timers/promises';
import { eventually } from '../support/eventually.ts';
import type { Cloud } from '../support/cloud.ts';
import type { Probes } from './probes.ts';
import type { FaultWindow } from './fault-windows.ts';

export interface Recovery {
  readonly kind: string;
  readonly faultMs: number;
  readonly downtimeMs: number;
  readonly blackoutMs: number;
  readonly repairMs: number;
}

const CALM_MS = 1_000;
/** How long good answers are waited for is measured, and not asserted. */
const CALM_LOOKS = 600;
const LOOK_MS = 50;
const LIVE = `('running', 'parked', 'unwinding')`;

/** Waits until all is well again after a fault that came alone, and says how long that took. */
export async function measureRecovery(cloud: Cloud, probes: Probes, { kind, beganAt, endedAt }: FaultWindow): Promise<Recovery> {
  // Work in flight at the fault: what had begun when it was over. What follows a task (a build its request) was its work too.
  const left = () =>
    cloud.database.query<{ id: string }>(`select id from tasks where state in ${LIVE} and created_at <= to_timestamp($1)`, [
      endedAt / 1_000,
    ]);
  await eventually(left, (tasks) => tasks.length === 0, {
    timeoutMs: 150_000,
    everyMs: 50,
    what: `the end of the work in flight at: ${kind}`,
  });
  const [row] = await cloud.database.query<{ at: number | null }>(
    `select extract(epoch from max(finished_at))::float8 * 1000 as at from tasks where created_at <= to_timestamp($2) and finished_at >= to_timestamp($1)`,
    [beganAt / 1_000, endedAt / 1_000],
  );
  for (let look = 0; look < CALM_LOOKS && !probes.calmFor(CALM_MS); look += 1) await pause(LOOK_MS);
  const now = Date.now();
  const repairMs = Math.max(0, (row?.at ?? beganAt) - beganAt);
  return {
    ...{ kind, faultMs: endedAt - beganAt, repairMs },
    ...{ downtimeMs: probes.downtimeMs(beganAt, now), blackoutMs: probes.blackoutMs(beganAt, now) },
  };
}

/** Median and longest of each kind; seconds. */
export function recoveryTable(recoveries: readonly Recovery[]): string {
  const rows = [...new Set(recoveries.map(({ kind }) => kind))].map((kind) => {
    const of = recoveries.filter((recovery) => recovery.kind === kind);
    const shown = (value: (recovery: Recovery) => number) => medianAndLongest(of.map(value));
    const cells = [
      ({ faultMs }: Recovery) => faultMs,
      ({ downtimeMs }: Recovery) => downtimeMs,
      ({ blackoutMs }: Recovery) => blackoutMs,
      ({ repairMs }: Recovery) => repairMs,
    ];
    return `| ${[kind, of.length, ...cells.map(shown)].join(' | ')} |`;
  });
  return [
    '| fault | times | lasted | an api failed or was late | no api answered well | until all work was done |',
    '| --- | --- | --- | --- | --- | --- |',
    ...rows,
  ].join('\n');
}

function medianAndLongest(values: readonly number[]): string {
  const sorted = values.toSorted((a, b) => a - b);
  const seconds = (ms: number) => (ms / 1_000).toFixed(1);
  return `${seconds(sorted[Math.floor((sorted.length - 1) / 2)]!)} (${seconds(sorted.at(-1)!)})`;
}
