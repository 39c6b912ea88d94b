import { OperationReport, OperationReports, type hostReportsContract } from '@kilonova/objects';
import type { Client } from '@kilonova/rpc';
import type { Clock, Logger, Random } from '@kilonova/runtime';
import type { ComputeOptions } from '../config.ts';
import type { Journal } from '../journal/journal.ts';
import type { Ledger, LedgerRecord } from '../ledger/ledger.ts';
import type { AgentMetrics } from '../metrics.ts';
import { Alarm, backoffMs } from './alarm.ts';

/** Room for the envelope around the reports; bytes. */
const ENVELOPE_BYTES = 4_096;

interface Waiting {
  /** Times it was sent and not accepted. */
  attempts: number;
  /** On the monotonic clock. */
  dueAt: number;
  readonly unknown: boolean;
}

export interface OutboxParts {
  readonly host: string;
  readonly config: ComputeOptions;
  readonly client: Client<typeof hostReportsContract>;
  readonly maxMessageBytes: number;
  readonly ledger: Ledger;
  readonly journal: Journal<LedgerRecord>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: AgentMetrics;
}

/**
 * Tells the conductor outcomes until it says that it committed them. The journal remembers them, this only sends. While a
 * message is on its way the next one gathers.
 */
export class Outbox {
  readonly #parts: OutboxParts;
  readonly #waiting = new Map<string, Waiting>();
  readonly #alarm: Alarm;
  #unknowns = 0;
  #failures = 0;
  /** After a failure, on the monotonic clock. */
  #pausedUntil = 0;
  readonly #closed = new AbortController();
  #sending: Promise<void> | undefined;

  constructor(parts: OutboxParts) {
    this.#parts = parts;
    this.#alarm = new Alarm(parts.clock);
  }

  start(): void {
    this.#sending = this.#send();
  }

  /** The outcome is on the disk and shall be told, from now on. */
  add(operationId: string): void {
    this.#put(operationId, false);
  }

  /** Tells that this host never heard of the operation. Not journalled: the conductor asks again if it gets lost. */
  addUnknown(operationId: string): void {
    const oldest = [...this.#waiting].find(([, { unknown }]) => unknown)?.[0];
    if (this.#unknowns >= this.#parts.config.maxUnknownAnswers && oldest !== undefined) this.#drop(oldest);
    this.#put(operationId, true);
  }

  /** The conductor is there again: no more waiting. */
  hurry(): void {
    this.#failures = 0;
    this.#pausedUntil = 0;
    for (const waiting of this.#waiting.values()) waiting.dueAt = 0;
    this.#alarm.ring();
  }

  /** Sends what waits once more, for `graceMs` at most, and ends. What is left stays in the journal. */
  async stop(graceMs: number): Promise<void> {
    const cancel = this.#parts.clock.after(graceMs, () => this.#closed.abort(new Error('the agent stops')));
    this.#alarm.close();
    await this.#sending;
    cancel();
    this.#closed.abort(new Error('the agent stops'));
  }

  #put(operationId: string, unknown: boolean): void {
    this.#drop(operationId);
    this.#waiting.set(operationId, { attempts: 0, dueAt: 0, unknown });
    if (unknown) this.#unknowns += 1;
    this.#gauge();
    this.#alarm.ring();
  }

  #drop(operationId: string): void {
    if (this.#waiting.get(operationId)?.unknown === true) this.#unknowns -= 1;
    this.#waiting.delete(operationId);
    this.#gauge();
  }

  #gauge(): void {
    this.#parts.metrics.unreported.set({ host: this.#parts.host }, this.#waiting.size);
  }

  async #send(): Promise<void> {
    const { clock, config, random } = this.#parts;
    for (;;) {
      const pauseMs = this.#pausedUntil - clock.monotonic();
      const batch = pauseMs > 0 && !this.#alarm.closed ? [] : this.#pick();
      if (batch.length > 0) {
        const sent = await this.#tell(batch);
        if (this.#alarm.closed && !sent) return;
        this.#failures = sent ? 0 : this.#failures + 1;
        this.#pausedUntil = sent ? 0 : clock.monotonic() + backoffMs(config, this.#failures, random);
      } else {
        if (this.#alarm.closed) return;
        await this.#alarm.wait(Math.max(1, pauseMs, this.#nextDue() - clock.monotonic()));
      }
    }
  }

  #nextDue(): number {
    let next = Infinity;
    for (const { dueAt } of this.#waiting.values()) next = Math.min(next, dueAt);
    return next;
  }

  /** Reports that are due, up to the limits of one message. */
  #pick(): readonly OperationReport[] {
    const { clock, config, maxMessageBytes } = this.#parts;
    const now = clock.monotonic();
    const batch: OperationReport[] = [];
    let bytes = ENVELOPE_BYTES;
    for (const [operationId, { dueAt, unknown }] of this.#waiting) {
      if (dueAt > now) continue;
      if (batch.length >= config.reportBatchSize) break;
      const report = unknown ? unknownReport(operationId) : this.#report(operationId);
      if (report === undefined) {
        this.#drop(operationId);
        continue;
      }
      bytes += Buffer.byteLength(JSON.stringify(report)) + 1;
      if (bytes > maxMessageBytes && batch.length > 0) break;
      batch.push(report);
    }
    return batch;
  }

  /** Undefined when there is nothing to tell any more. */
  #report(operationId: string): OperationReport | undefined {
    const operation = this.#parts.ledger.operation(operationId);
    if (operation === undefined || operation.outcome === null || operation.settled) return undefined;
    const { number, result, power, message, details, destination = '', progress = null, startedAt, finishedAt } = operation.outcome;
    return Object.assign(new OperationReport(), {
      number,
      operationId,
      instanceUuid: operation.instanceUuid,
      generation: operation.generation,
      outcome: result,
      power,
      message,
      details,
      destination,
      progress,
      startedAt: new Date(startedAt).toISOString(),
      finishedAt: new Date(finishedAt).toISOString(),
    });
  }

  /** Whether the conductor answered. */
  async #tell(reports: readonly OperationReport[]): Promise<boolean> {
    const { client, host, config, clock, random, log } = this.#parts;
    const request = Object.assign(new OperationReports(), { host, reports });
    try {
      const { operationIds } = await client.reportOperations(request, { timeoutMs: config.callTimeoutMs, signal: this.#closed.signal });
      const accepted = new Set(operationIds);
      for (const report of reports) {
        if (accepted.has(report.operationId)) this.#settle(report);
        else this.#later(report.operationId, report.number, clock.monotonic(), random);
      }
      return true;
    } catch (error) {
      log.warn({ reports: reports.length, reason: (error as Error).message }, 'outcomes not told, they are told again');
      return false;
    }
  }

  #settle({ operationId, outcome, number }: OperationReport): void {
    const { ledger, journal } = this.#parts;
    const operation = ledger.operation(operationId);
    const isNewer = outcome === 'unknown' ? this.#waiting.get(operationId)?.unknown === false : operation?.outcome?.number !== number;
    // Meanwhile it may have been ordered, or ordered again, or told anew: what waits or comes next is not what was told.
    if (operation !== undefined && isNewer) return;
    this.#drop(operationId);
    if (outcome === 'unknown' || operation === undefined || operation.outcome === null || operation.settled) return;
    const record = { kind: 'settled', operation: { operationId, instanceUuid: operation.instanceUuid } } as const;
    ledger.apply(record);
    // Not waited for: when it is lost, the conductor is told once more and says again that it knows.
    journal.note(record);
  }

  #later(operationId: string, number: number, now: number, random: Random): void {
    const waiting = this.#waiting.get(operationId);
    if (waiting === undefined) return;
    waiting.attempts += 1;
    waiting.dueAt = now + backoffMs(this.#parts.config, waiting.attempts, random);
    this.#parts.log.debug({ operationId, number, attempts: waiting.attempts }, 'outcome not accepted yet');
  }
}

const unknownReport = (operationId: string): OperationReport =>
  Object.assign(new OperationReport(), { number: 0, operationId, instanceUuid: '', generation: 0, outcome: 'unknown' });
