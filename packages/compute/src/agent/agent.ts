import { Busy, type RpcError } from '@kilonova/rpc';
import type { Clock, Logger } from '@kilonova/runtime';
import type { ComputeOptions } from '../config.ts';
import type { Driver } from '../driver/driver.ts';
import type { Journal } from '../journal/journal.ts';
import { refusalOf, type Operation } from '../ledger/instance.ts';
import type { Ledger, LedgerRecord } from '../ledger/ledger.ts';
import type { Order, Outcome } from '../ledger/order.ts';
import type { AgentMetrics } from '../metrics.ts';
import type { Outbox } from '../reports/outbox.ts';
import { carryOut, type Ending } from './execution.ts';
import type { Transfers } from '../reports/transfers.ts';
import { Lanes } from './lanes.ts';

/** Bounds of the texts that travel with a failure; characters. */
const MESSAGE_LENGTH = 1_000;
const DETAILS_LENGTH = 4_000;
const ABORTED = 'the migration was aborted';

export interface AgentParts {
  readonly host: string;
  readonly config: ComputeOptions;
  readonly driver: Driver;
  readonly ledger: Ledger;
  readonly journal: Journal<LedgerRecord>;
  readonly outbox: Outbox;
  readonly transfers: Transfers;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: AgentMetrics;
}

/** How a migration shall end. */
interface Urge {
  readonly abort: boolean;
  readonly forceComplete: boolean;
}

/**
 * Takes orders and carries them out. An order is in the journal before it is acknowledged, hence before its effect; its
 * outcome is in the journal before it is reported. After a crash the orders without outcome are carried out (again).
 */
export class Agent {
  readonly #parts: AgentParts;
  readonly #lanes: Lanes;
  /** Orders that wait or run, per instance, and all together. */
  readonly #queued = new Map<string, number>();
  #total = 0;
  readonly #running = new Map<string, { readonly order: Order; readonly abort: AbortController; readonly hurry: AbortController }>();
  /** What repeats said of migrations that did not end yet, by operation. */
  readonly #urged = new Map<string, Urge>();
  /** Operations whose outcome is known, and not on the disk (yet). */
  readonly #unsynced = new Set<string>();
  #abandoned = 0;
  #stopping = false;

  constructor(parts: AgentParts) {
    this.#parts = parts;
    this.#lanes = new Lanes(parts.config.maxConcurrentOperations);
  }

  /** Goes on with what the last agent on this journal left. */
  resume(): void {
    const { ledger, outbox, log } = this.#parts;
    const orders = [...ledger.unfinished()];
    for (const order of orders) this.#enqueue(order);
    for (const operationId of ledger.unreported.keys()) outbox.add(operationId);
    if (orders.length > 0 || ledger.unreported.size > 0)
      log.info({ orders: orders.length, unreported: ledger.unreported.size }, 'resumed from the journal');
  }

  /** Settles when the order is on the disk. @throws Busy when too much waits, Error when the journal failed. */
  async accept(order: Order): Promise<void> {
    const { ledger, journal, metrics, log } = this.#parts;
    if (journal.failure !== undefined) throw journal.failure;
    const known = ledger.operation(order.operationId);
    if (known !== undefined && !isWantedAgain(known, order)) {
      metrics.repeats.inc({ verb: order.verb });
      this.#urge(order);
      return this.#tellAgain(known);
    }
    const refusal = this.#overflow(order);
    if (refusal !== undefined) {
      metrics.refused.inc({ reason: refusal.code });
      log.warn({ ...namesOf(order), verb: order.verb, reason: refusal.message }, 'order refused');
      throw refusal;
    }
    // Counted from here on, so that orders that wait for the journal count as well.
    this.#count(order.instanceUuid, 1);
    try {
      await this.#record({ kind: 'accepted', order });
    } catch (error) {
      this.#count(order.instanceUuid, -1);
      throw error;
    }
    this.#enqueue(order, true);
  }

  /**
   * Reports again what became of operations, or that they are unknown. What waits or runs will be reported anyway.
   *
   * @throws Error when the journal failed: what is known may not be on the disk
   */
  async inquire(operationIds: readonly string[]): Promise<void> {
    const { ledger, journal, outbox } = this.#parts;
    if (journal.failure !== undefined) throw journal.failure;
    for (const operationId of operationIds) {
      const known = ledger.operation(operationId);
      if (known === undefined) outbox.addUnknown(operationId);
      else await this.#tellAgain(known);
    }
  }

  /** Forgets tombstones that are too old or too many. */
  tidy(): void {
    const { ledger, journal, clock } = this.#parts;
    for (const uuid of ledger.forgettable(clock.now())) {
      ledger.apply({ kind: 'forgotten', uuid });
      journal.note({ kind: 'forgotten', uuid });
    }
  }

  /** Begins nothing new, waits up to `graceMs` for what runs, aborts the rest and leaves it to the journal. */
  async stop(): Promise<void> {
    const { clock, config, log } = this.#parts;
    this.#stopping = true;
    this.#lanes.close();
    const idle = this.#lanes.idle();
    if (await within(clock, config.graceMs, idle)) return;
    for (const { abort } of this.#running.values()) abort.abort(new Error('the agent stops'));
    await within(clock, Math.min(config.abortWaitMs, config.graceMs), idle);
    log.info({ leftToJournal: this.#lanes.size }, 'stopped with operations in hand');
  }

  /** Why no order can be carried out; undefined when all is well. */
  get trouble(): string | undefined {
    if (this.#parts.journal.failure !== undefined) return this.#parts.journal.failure.message;
    return this.#abandoned >= this.#parts.config.maxAbandonedOperations ? `${this.#abandoned} driver calls hang` : undefined;
  }

  async #record(record: LedgerRecord): Promise<void> {
    const { ledger, journal } = this.#parts;
    if (journal.failure !== undefined) throw journal.failure;
    ledger.apply(record);
    const operationId = record.kind === 'finished' || record.kind === 'reissued' ? record.operation.operationId : undefined;
    if (operationId !== undefined) this.#unsynced.add(operationId);
    await journal.append(record);
    if (operationId !== undefined) this.#unsynced.delete(operationId);
  }

  async #tellAgain(operation: Operation): Promise<void> {
    const { ledger, outbox, clock } = this.#parts;
    // What is not on the disk yet is told when it is; the next agent would know nothing of it.
    if (operation.outcome === null || this.#unsynced.has(operation.operationId)) return;
    if (operation.settled) {
      // With a number of its own and the power of now: the conductor may know later reports by now.
      const power = ledger.instance(operation.instanceUuid)?.power ?? operation.outcome.power;
      await this.#record({ kind: 'reissued', operation: namesOf(operation), number: ledger.nextNumber(clock.now()), power });
    }
    outbox.add(operation.operationId);
  }

  #overflow(order: Order): RpcError | undefined {
    const { config, host } = this.#parts;
    if (this.#stopping) return new Busy(`host ${host} is stopping`);
    if (this.#total >= config.maxQueuedOperations)
      return new Busy(`host ${host} has ${this.#total} operations waiting (max_queued_operations)`);
    const own = this.#queued.get(order.instanceUuid) ?? 0;
    return own >= config.maxQueuedPerInstance
      ? new Busy(`instance ${order.instanceUuid} has ${own} operations waiting on host ${host} (max_queued_per_instance)`)
      : undefined;
  }

  #count(instanceUuid: string, change: 1 | -1): void {
    const { metrics, host } = this.#parts;
    const own = (this.#queued.get(instanceUuid) ?? 0) + change;
    if (own === 0) this.#queued.delete(instanceUuid);
    else this.#queued.set(instanceUuid, own);
    this.#total += change;
    metrics.inHand.set({ host }, this.#total);
  }

  #enqueue(order: Order, counted = false): void {
    if (!counted) this.#count(order.instanceUuid, 1);
    const running = this.#running.get(order.instanceUuid);
    if (order.verb === 'takeBack' && running?.order.verb === 'migrateOut')
      running.abort.abort(new Error('taken back: the instance stays here'));
    if (
      order.verb === 'remove' &&
      running !== undefined &&
      running.order.verb !== 'remove' &&
      running.order.generation <= order.generation
    ) {
      running.abort.abort(new Error('taken back: the instance is removed'));
    }
    this.#lanes.add(order.instanceUuid, () => this.#run(order));
  }

  /** A repeat of a migration may say that it shall end: at once when it runs, else as soon as it begins. */
  #urge(order: Order): void {
    if (order.verb !== 'migrateOut' || this.#parts.ledger.operation(order.operationId)?.outcome !== null) return;
    const { abort, forceComplete } = order;
    if (!abort && !forceComplete) return;
    this.#urged.set(order.operationId, { abort, forceComplete });
    const running = this.#running.get(order.instanceUuid);
    if (running?.order.operationId !== order.operationId) return;
    if (abort) running.abort.abort(new Error(ABORTED));
    if (forceComplete) running.hurry.abort();
  }

  /** What was said of an order since it came. */
  #wishOf(order: Order): Urge {
    const said = this.#urged.get(order.operationId);
    const own = order.verb === 'migrateOut' ? order : undefined;
    return {
      abort: said?.abort === true || own?.abort === true,
      forceComplete: said?.forceComplete === true || own?.forceComplete === true,
    };
  }

  async #run(order: Order): Promise<void> {
    const { log } = this.#parts;
    try {
      const startedAt = this.#parts.clock.now();
      const ending = await this.#end(order);
      if (this.#stopping && ending.result === 'failed') return; // the next agent does it
      await this.#finish(order, ending, startedAt);
      if (ending.late !== undefined) this.#watch(order, ending.late);
    } catch (error) {
      log.error({ ...namesOf(order), verb: order.verb, reason: (error as Error).message }, 'operation left to the journal');
    } finally {
      this.#running.delete(order.instanceUuid);
      this.#urged.delete(order.operationId);
      this.#parts.transfers.end(order.operationId);
      this.#count(order.instanceUuid, -1);
    }
  }

  #end(order: Order): Promise<Ending> | Ending {
    const { config, clock, driver, ledger, transfers } = this.#parts;
    const instance = ledger.instance(order.instanceUuid);
    const wish = this.#wishOf(order);
    const refusal = instance === undefined ? undefined : refusalOf(instance, order);
    const trouble = refusal ?? (wish.abort ? ABORTED : undefined) ?? this.trouble;
    if (trouble !== undefined) return { result: 'failed', power: undefined, present: undefined, error: new Error(trouble) };
    const abort = new AbortController();
    const hurry = new AbortController();
    if (wish.forceComplete) hurry.abort();
    this.#running.set(order.instanceUuid, { order, abort, hurry });
    return carryOut(driver, order, {
      clock,
      abortWaitMs: config.abortWaitMs,
      cleanupMs: config.cleanupMs,
      known: instance?.present === true && instance.generation === order.generation ? instance.power : undefined,
      signal: abort.signal,
      hurry: hurry.signal,
      // A call that was given up may go on telling.
      onProgress: (progress) => {
        if (this.#running.get(order.instanceUuid)?.order === order) transfers.note(order, progress);
      },
      stopping: () => this.#stopping,
    });
  }

  async #finish(order: Order, ending: Ending, startedAt: number): Promise<void> {
    const { ledger, outbox, transfers, clock, log, metrics } = this.#parts;
    const instance = ledger.instance(order.instanceUuid);
    // Removing an older generation leaves the newer domain as it is.
    const untouched = order.verb === 'remove' && instance !== undefined && instance.generation > order.generation;
    const { power, present } = untouched ? instance : ending;
    const progress = transfers.end(order.operationId);
    const outcome: Outcome = {
      number: ledger.nextNumber(clock.now()),
      result: ending.result,
      power: power ?? instance?.power ?? 0,
      message: (ending.error?.message ?? '').slice(0, MESSAGE_LENGTH),
      details: detailsOf(ending.error).slice(0, DETAILS_LENGTH),
      ...(ending.destination !== undefined && { destination: ending.destination }),
      ...(progress !== undefined && { progress }),
      startedAt,
      finishedAt: clock.now(),
    };
    await this.#record({ kind: 'finished', operation: namesOf(order), outcome, present: present ?? instance?.present ?? false });
    outbox.add(order.operationId);
    metrics.operations.inc({ verb: order.verb, outcome: outcome.result });
    metrics.operationSeconds.observe({ verb: order.verb }, Math.max(0, outcome.finishedAt - order.acceptedAt) / 1_000);
    const fields = { ...namesOf(order), verb: order.verb, generation: order.generation, requestId: order.requestId };
    if (outcome.result === 'done') log.info(fields, 'operation done');
    else log.warn({ ...fields, reason: outcome.message }, 'operation failed');
  }

  /** A spawn that hung and yet made its domain in the end must not leave it behind. */
  #watch(order: Order, late: Promise<unknown>): void {
    const { metrics, host, ledger, driver, config, clock, log } = this.#parts;
    metrics.abandoned.set({ host }, ++this.#abandoned);
    log.warn({ ...namesOf(order), verb: order.verb }, 'driver call goes on although it was aborted');
    void late.then(() => {
      metrics.abandoned.set({ host }, --this.#abandoned);
      if (!LATE_MAKERS.includes(order.verb) || this.#stopping) return;
      this.#lanes.add(order.instanceUuid, async () => {
        if (ledger.instance(order.instanceUuid)?.present === true) return;
        const expiry = new AbortController();
        const cancel = clock.after(config.cleanupMs, () => expiry.abort(new Error(`not removed within ${config.cleanupMs} ms`)));
        try {
          await within(
            clock,
            config.cleanupMs,
            driver.ensureAbsent({ uuid: order.instanceUuid, generation: order.generation }, { signal: expiry.signal }),
          );
        } catch (error) {
          log.error(
            { ...namesOf(order), reason: (error as Error).message },
            'domain of a late spawn not removed; the next domain report shows it',
          );
        } finally {
          cancel();
        }
      });
    });
  }
}

/** Orders that may make a domain after they were given up. */
const LATE_MAKERS: readonly Order['verb'][] = ['spawn', 'prepareIncoming', 'finishIncoming'];

const namesOf = ({ operationId, instanceUuid }: Pick<Operation, 'operationId' | 'instanceUuid'>) => ({ operationId, instanceUuid });

/**
 * Removing is tried for ever (rule of undo), so a removal that failed is done again when it is ordered again. So is one of
 * which the conductor knows that it was done: it saw the domain since.
 */
const isWantedAgain = (known: Operation, order: Order): boolean =>
  order.verb === 'remove' && (known.outcome?.result === 'failed' || known.settled);

/** Names and messages of an error and its causes, without stacks. */
function detailsOf(error: Error | undefined): string {
  const lines: string[] = [];
  for (let cause: unknown = error; cause instanceof Error && lines.length < 5; cause = cause.cause)
    lines.push(`${cause.name}: ${cause.message}`);
  return lines.join('\n');
}

/** Whether `work` settled in time. */
async function within(clock: Clock, ms: number, work: Promise<unknown>): Promise<boolean> {
  let cancel = () => {};
  const expired = new Promise<false>((resolve) => (cancel = clock.after(ms, () => resolve(false))));
  try {
    return await Promise.race([work.then(() => true), expired]);
  } finally {
    cancel();
  }
}
