/**
 * What hosts say of the orders they got. Reports of many hosts share a transaction, which also moves the tasks that
 * waited on: whichever conductor hears of it goes on with it. A report counts only for an instance that the database gives
 * that host at that generation, and only when it is newer than what was heard before.
 */
import type { OperationReport } from '@kilonova/objects';
import * as cleanups from '../db/cleanups.ts';
import type { OwnerKey } from '../db/claims.ts';
import type { Transaction } from '../db/connection.ts';
import { admitReports } from '../db/instance-changes.ts';
import { isUuid } from '../db/rows.ts';
import * as tasks from '../db/tasks.ts';
import type { HostChangePublisher } from '../services.ts';
import type { Find } from '../tasks/engine/engine.ts';
import { Gatherer } from '../tasks/engine/gatherer.ts';
import { type MovingTask, taskIdOf } from '../tasks/engine/moving-task.ts';

interface Heard {
  readonly host: string;
  readonly report: OperationReport;
  readonly settled: (error?: unknown) => void;
}

export interface OperationReportsParts {
  readonly batch: number;
  readonly concurrency: number;
  /** The engine's transaction. */
  readonly move: (find: Find) => Promise<void>;
  readonly publisher: HostChangePublisher;
}

export class OperationReports {
  readonly #parts: OperationReportsParts;
  readonly #gatherer: Gatherer<Heard>;

  constructor(parts: OperationReportsParts) {
    this.#parts = parts;
    this.#gatherer = new Gatherer(parts, (heard) => this.#settle(heard));
  }

  /**
   * Commits a host's reports. @returns the operations that are settled, also those that nobody waits for any more: the
   * host may forget them.
   */
  async take(host: string, reports: readonly OperationReport[]): Promise<string[]> {
    const settled = await Promise.all(
      reports.map(
        (report) =>
          new Promise<boolean>((resolve) => {
            this.#gatherer.push('reports', { host, report, settled: (error) => resolve(error === undefined) });
          }),
      ),
    );
    return reports.filter((_, index) => settled[index]).map(({ operationId }) => operationId);
  }

  async #settle(heard: readonly Heard[]): Promise<void> {
    try {
      const touched = new Set<string>();
      await this.#parts.move((trx, owner, load) => settleReports(trx, owner, load, heard, touched));
      if (touched.size > 0) this.#parts.publisher.hostsTouched(touched);
      for (const { settled } of heard) settled();
    } catch (error) {
      if (heard.length === 1) return heard[0]!.settled(error);
      const middle = Math.ceil(heard.length / 2);
      await this.#settle(heard.slice(0, middle));
      await this.#settle(heard.slice(middle));
    }
  }
}

type Load = Parameters<Find>[2];

async function settleReports(
  trx: Transaction,
  owner: Parameters<Find>[1],
  load: Load,
  heard: readonly Heard[],
  touched: Set<string>,
): Promise<readonly MovingTask[]> {
  const awaited = heard
    .map(({ report: { operationId } }) => ({ operationId, taskId: taskIdOf(operationId) }))
    .filter((item) => item.taskId !== undefined);
  const rows = await tasks.lockAwaiting(trx, owner, awaited as { operationId: string; taskId: string }[]);
  const waiting = new Map(rows.map((row) => [row.awaits!, row]));
  const believed = await believe(trx, heard);

  const moving: MovingTask[] = [];
  for (const entry of heard) {
    const { host, report } = entry;
    const row = waiting.get(report.operationId);
    if (row === undefined || row.awaitsHost !== host) continue;
    if (report.outcome !== 'unknown' && !believed.has(entry)) continue;
    waiting.delete(report.operationId); // the same report twice in one batch
    const task = load(row);
    if (task === undefined) continue;
    apply(task, report);
    moving.push(task);
  }
  for (const host of await settleCleanups(trx, heard)) touched.add(host);
  return moving;
}

/** The newest report of each instance, and no older ones, of instances that are the host's. */
async function believe(trx: Transaction, heard: readonly Heard[]): Promise<ReadonlySet<Heard>> {
  const believed = new Set<Heard>();
  const known = heard.filter(
    ({ report }) => report.outcome !== 'unknown' && taskIdOf(report.operationId) !== undefined && isUuid(report.instanceUuid),
  );
  for (const host of new Set(known.map((entry) => entry.host))) {
    const own = known.filter((entry) => entry.host === host);
    const admitted = await admitReports(
      trx,
      host,
      own.map(({ report: { instanceUuid, generation, number } }) => ({ instanceUuid, generation, number })),
    );
    for (const entry of own) if (admitted.has(entry.report.instanceUuid)) believed.add(entry);
  }
  return believed;
}

function apply(task: MovingTask, { outcome, power, message, details }: OperationReport): void {
  if (outcome === 'done') return task.settle({ outcome: 'done', failure: null, power });
  if (outcome === 'failed') return task.settle({ outcome: 'failed', failure: { message, details }, power });
  // It never heard of the order: lost on the way. Too late now, or said again at once.
  if (task.inquired || (task.reportInMs ?? 0) <= 0)
    return task.settle({
      outcome: 'failed',
      failure: { message: `The order did not reach host ${task.awaitsHost} in time.`, unanswered: true },
      power,
    });
  task.order = 'send';
  task.attempts += 1;
  task.changed = true;
  task.wakeInMs = Math.min(1_000 * 2 ** Math.min(task.attempts, 6), task.reportInMs!);
}

/** Removals of what was left behind. A cleanup belongs to its host whatever became of the instance. */
async function settleCleanups(trx: Transaction, heard: readonly Heard[]): Promise<readonly string[]> {
  const of = (outcome: string): (OwnerKey & { message: string })[] =>
    heard
      .filter(({ report }) => report.operationId.startsWith('cleanup/') && report.outcome === outcome && isUuid(report.instanceUuid))
      .map(({ host, report: { instanceUuid, generation, message } }) => ({ instanceUuid, host, generation, message }));
  const confirmed = await cleanups.confirm(trx, of('done'));
  const superseded = await cleanups.noteRefusals(trx, of('failed'));
  return [...confirmed, ...superseded];
}
