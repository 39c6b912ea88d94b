import type { Cloud } from '../support/cloud.ts';
import type { LateAnswer, Operation } from './workload/session.ts';

/** One fault, from its beginning until what it did was over. Times are the machine's. */
export interface FaultWindow {
  readonly kind: string;
  readonly victim: string;
  readonly beganAt: number;
  readonly endedAt: number;
}

interface Span {
  readonly beganAt: number;
  readonly endedAt: number;
}

const meets = (one: Span, other: Span) => one.beganAt <= other.endedAt && one.endedAt >= other.beganAt;

/** Answers that came too late although their api was neither killed nor stopped meanwhile. */
export const lateWithoutCause = (late: readonly LateAnswer[], windows: readonly FaultWindow[]): readonly string[] =>
  late
    .filter((answer) => !windows.some((window) => window.victim === answer.api && meets(answer, window)))
    .map(({ api, verb, beganAt, endedAt }) => `${verb} at ${api} took ${endedAt - beganAt} ms`);

/** For whoever looks for the fault behind something wrong. */
export const faultLog = (windows: readonly FaultWindow[]): string =>
  windows
    .map(({ kind, victim, beganAt, endedAt }) => `${new Date(beganAt).toISOString()} ${kind}: ${victim}, ${endedAt - beganAt} ms`)
    .join('\n');

/** Faulted operations: requests that write, requests that read, and tasks that were in flight while a fault was there. */
export async function faultedOperations(cloud: Cloud, operations: readonly Operation[], windows: readonly FaultWindow[]) {
  const tasks = await cloud.database.query<{ beganAt: number; endedAt: number }>(
    `select extract(epoch from created_at)::float8 * 1000 as "beganAt", extract(epoch from finished_at)::float8 * 1000 as "endedAt" from tasks`,
  );
  const spans = { writes: operations.filter(({ writes }) => writes), reads: operations.filter(({ writes }) => !writes), tasks };
  const count = (all: readonly Span[], of: readonly FaultWindow[]) => all.filter((span) => of.some((window) => meets(span, window))).length;
  const row = (kind: string, of: readonly FaultWindow[]) => ({
    ...{ kind, faults: of.length },
    ...{ writes: count(spans.writes, of), reads: count(spans.reads, of), tasks: count(spans.tasks, of) },
  });
  const kinds = [...new Set(windows.map(({ kind }) => kind))].toSorted();
  const total = row('all', windows);
  return {
    total: total.writes + total.tasks,
    table: [
      ...kinds.map((kind) =>
        row(
          kind,
          windows.filter((window) => window.kind === kind),
        ),
      ),
      total,
    ]
      .map(({ kind, faults, writes, reads, tasks: faulted }) => `| ${[kind, faults, writes, faulted, reads].join(' | ')} |`)
      .join('\n'),
  };
}
