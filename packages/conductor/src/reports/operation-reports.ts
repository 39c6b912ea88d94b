/**
 * What hosts say of the orders they got. Reports of many hosts share a transaction, which also moves the tasks that
 * waited on: whichever conductor hears of it goes on with it. A report counts only for an instance that the database gives
 * that host at that generation, and only when it is newer than what was heard before.
 */
import type { OperationReport } from '@kilonova/objects';
import * as cleanups from '../db/cleanups.ts';
import type { OwnerKey } from '../db/claims.ts';
import type { Transaction } from '../db/connection.ts';
import { admitReports, findGiven, stampKey } from '../db/instance-changes.ts';
import { isUuid } from '../db/rows.ts';
import * as tasks from '../db/tasks.ts';
import type { HostChangePublisher } from '../services.ts';
import type { Find } from '../tasks/engine/engine.ts';
import { Gatherer } from '../tasks/engine/gatherer.ts';
import { type MovingTask, taskIdOf } from '../tasks/engine/moving-task.ts';
import type { Places } from '../tasks/engine/places.ts';

interface Heard {
  readonly host: string;
  readonly report: OperationReport;
  readonly settled: (error?: unknown) => void;
}

export interface OperationReportsParts {
  readonly batch: number;
  /** Those of the engine: both move the same rows. */
  readonly places: Places;
  /** The engine's transaction. */
  readonly move: (find: Find) => Promise<void>;
  readonly publisher: HostChangePublisher;
  /** Reports that count for nothing because the host was not given what they are of. `of`: the first of these instances. */
  readonly onUnbelieved?: (host: string, count: number, of: string) => void;
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

  #complain(foreign: readonly Heard[]): void {
    const byHost = new Map<string, Heard[]>();
    for (const entry of foreign) byHost.set(entry.host, [...(byHost.get(entry.host) ?? []), entry]);
    for (const [host, entries] of byHost) this.#parts.onUnbelieved?.(host, entries.length, entries[0]!.report.instanceUuid);
  }

  async #settle(heard: readonly Heard[]): Promise<void> {
    try {
      const touched = new Set<string>();
      const found: Findings = { touched, unread: new Set(), foreign: [] };
      await this.#parts.move((trx, owner, load) => settleReports(trx, owner, load, heard, found));
      this.#complain(found.foreign);
      if (touched.size > 0) this.#parts.publisher.hostsTouched(touched);
      for (const one of heard) one.settled(found.unread.has(one) ? new Error('of a task that this release does not know') : undefined);
    } catch (error) {
      if (heard.length === 1) return heard[0]!.settled(error);
      const middle = Math.ceil(heard.length / 2);
      await this.#settle(heard.slice(0, middle));
      await this.#settle(heard.slice(middle));
    }
  }
}

type Load = Parameters<Find>[2];

const isOfNewerRelease = (waiting: { readonly task: MovingTask | undefined } | undefined): boolean =>
  waiting !== undefined && waiting.task === undefined;

interface Findings {
  readonly touched: Set<string>;
  /** Of tasks of a newer release: they are not settled, so that they are told again, to another conductor. */
  readonly unread: Set<Heard>;
  /** Of instances that the host was not given. */
  foreign: readonly Heard[];
}

async function settleReports(
  trx: Transaction,
  owner: Parameters<Find>[1],
  load: Load,
  heard: readonly Heard[],
  found: Findings,
): Promise<readonly MovingTask[]> {
  const awaited = heard
    .map(({ report: { operationId } }) => ({ operationId, taskId: taskIdOf(operationId) }))
    .filter((item): item is { operationId: string; taskId: string } => item.taskId !== undefined && isUuid(item.taskId));
  const rows = await tasks.lockAwaiting(trx, owner, awaited);
  const waiting = new Map(rows.map((row) => [row.awaits!, { row, task: load(row) }]));
  for (const entry of heard) if (isOfNewerRelease(waiting.get(entry.report.operationId))) found.unread.add(entry);
  const { believed, foreign } = await believe(
    trx,
    heard.filter((entry) => !found.unread.has(entry)),
  );
  found.foreign = foreign;

  const moving: MovingTask[] = [];
  for (const entry of heard) {
    const { host, report } = entry;
    const { row, task } = waiting.get(report.operationId) ?? {};
    if (row === undefined || task === undefined || row.awaitsHost !== host) continue;
    if (report.outcome !== 'unknown' && row.instanceUuid !== report.instanceUuid) continue;
    // That a host never heard of an order counts once it was asked; before that the order is said again anyway.
    if (report.outcome === 'unknown' ? !row.inquired : !believed.has(entry)) continue;
    waiting.delete(report.operationId); // the same report twice in one batch
    apply(task, report);
    moving.push(task);
  }
  for (const host of await settleCleanups(trx, heard)) found.touched.add(host);
  return moving;
}

/** Those that are news of instances which the database gives to whoever reports, or of what it holds of them. */
async function believe(
  trx: Transaction,
  heard: readonly Heard[],
): Promise<{ readonly believed: ReadonlySet<Heard>; readonly foreign: readonly Heard[] }> {
  const known = heard.filter(
    ({ report }) => report.outcome !== 'unknown' && taskIdOf(report.operationId) !== undefined && isUuid(report.instanceUuid),
  );
  const stampOf = ({ host, report: { instanceUuid, generation, number } }: Heard) => ({
    ...{ host, instanceUuid: instanceUuid.toLowerCase(), generation, number },
  });
  const admitted = await admitReports(trx, known.map(stampOf));
  const believed = new Set(known.filter((entry) => admitted.has(stampKey(stampOf(entry)))));
  const unbelieved = known.filter((entry) => !believed.has(entry));
  const given = await findGiven(trx, unbelieved.map(stampOf));
  return { believed, foreign: unbelieved.filter((entry) => !given.has(stampKey(stampOf(entry)))) };
}

function apply(task: MovingTask, { outcome, power, message, details, destination, progress }: OperationReport): void {
  const besides = { ...(destination !== '' && { destination }), ...(progress !== null && { progress }) };
  if (outcome === 'done') return task.settle({ outcome: 'done', failure: null, power, ...besides });
  if (outcome === 'failed')
    return task.settle({ outcome: 'failed', failure: { message: storable(message), details: storable(details) }, power });
  task.settle({
    outcome: 'failed',
    failure: { message: `The order did not reach host ${task.awaitsHost} in time.`, unanswered: true },
    power,
  });
}

/** PostgreSQL keeps no NUL and no half of a character, and an older agent may have cut one in two. */
const storable = (text: string): string => Buffer.from(text.replaceAll('\0', ' '), 'utf8').toString('utf8');

/** Removals of what was left behind. A cleanup belongs to its host whatever became of the instance. */
async function settleCleanups(trx: Transaction, heard: readonly Heard[]): Promise<readonly string[]> {
  const of = (outcome: string): (OwnerKey & { message: string })[] =>
    heard
      .filter(({ report }) => report.operationId.startsWith('cleanup/') && report.outcome === outcome && isUuid(report.instanceUuid))
      .map(({ host, report: { instanceUuid, generation, message } }) => ({ instanceUuid, host, generation, message: storable(message) }));
  const confirmed = await cleanups.confirm(trx, of('done'));
  const superseded = await cleanups.noteRefusals(trx, of('failed'));
  return [...confirmed, ...superseded];
}
