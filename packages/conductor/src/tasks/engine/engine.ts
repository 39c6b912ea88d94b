/**
 * Drives tasks. Everything it must not forget is in the tasks' rows: what stands here in memory only saves time, and a
 * process that dies between any two lines is continued by another one from the rows.
 */
import { setMaxListeners } from 'node:events';
import type { Clock, Logger, Random } from '@kilonova/runtime';
import type { Database, Transaction } from '../../db/connection.ts';
import { fenceExpired, type Ownership } from '../../db/conductors.ts';
import * as rows from '../../db/tasks.ts';
import { isTransient, isUnavailable } from '../../db/unavailable.ts';
import { advance, StepFailedAlone } from './advance.ts';
import { backoff } from './backoff.ts';
import { type AnyTask, type CancelIntent, type Definitions, type Failure, StepFailed } from './definition.ts';
import { Gatherer } from './gatherer.ts';
import { groupBy } from './group-by.ts';
import { forgetCarry, type Held, heldAs } from './held.ts';
import { Lease } from './lease.ts';
import { Loop } from './loop.ts';
import type { EngineMetrics } from './metrics.ts';
import { MovingTask } from './moving-task.ts';
import type { NewTask } from './new-task.ts';
import { Places } from './places.ts';
import { type Carry, receive } from './receive.ts';
import type { EngineSettings } from './settings.ts';
import { type Commit, type GoOn, goOnAfter } from './go-on.ts';

export interface EngineOptions<Services> {
  readonly knex: Database;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: EngineMetrics;
  readonly settings: EngineSettings;
  /** Where transactions of tasks get their turn, and all others that move what they move. */
  readonly places: Places;
  readonly definitions: Definitions;
  /** Of the wire that every living conductor knows; asked anew for each task that is made. Default: this one's. */
  readonly minor?: () => number;
  /** What steps get. */
  readonly services: Services;
  /** This process among the conductors: an id of its own, and where it runs. */
  readonly self: { readonly id: string; readonly host: string };
  /** Asks a host what became of operations. */
  readonly inquire: (host: string, operationIds: readonly string[]) => Promise<void>;
}

/** Locks tasks in the transaction and says which to move. */
export type Find = (
  trx: Transaction,
  owner: Ownership,
  load: (row: rows.TaskRow) => MovingTask | undefined,
) => Promise<readonly MovingTask[]>;

/** Thrown when this process may move no task now; nothing was changed. */
export class NoLease extends Error {
  override name = 'NoLease';
}

export class Engine<Services> {
  readonly #options: EngineOptions<Services>;
  readonly #lease: Lease;
  readonly #ready: Gatherer<string>;
  readonly #calls: Gatherer<MovingTask>;
  readonly #inHand = new Map<string, Held>();
  readonly #timers = new Set<() => void>();
  readonly #stopping = new AbortController();
  #loops: readonly Loop[] = [];

  constructor(options: EngineOptions<Services>) {
    this.#options = options;
    const { settings, places, knex, clock, log, self } = options;
    // So many questions may wait for the one signal at the same time, and Node takes more than ten for a leak.
    setMaxListeners(settings.callConcurrency, this.#stopping.signal);
    this.#ready = new Gatherer({ batch: settings.taskBatch, places }, (ids) => this.#drive(ids, new Map()));
    const calling = new Places({ concurrency: settings.callConcurrency, patienceMs: 0, clock });
    this.#calls = new Gatherer({ batch: 1, places: calling }, ([task]) => this.#call(task!));
    this.#lease = new Lease({
      ...{ knex, clock, log, ...self, leaseMs: settings.leaseMs, renewMs: settings.leaseRenewMs },
      onLost: () => this.#forget(),
    });
  }

  /** Whether this process holds its lease. */
  get working(): boolean {
    return this.#lease.owner !== null;
  }

  get owner(): Ownership | null {
    return this.#lease.owner;
  }

  /** @throws the database's error; nothing runs then. */
  async start(): Promise<void> {
    await this.#lease.start();
    const { settings } = this.#options;
    this.#loops = [
      new Loop('due tasks', settings.lookMs, this.#options, () => this.#look()),
      new Loop('orphaned tasks', settings.adoptMs, this.#options, (signal) => this.#adopt(signal)),
    ];
  }

  /** Finishes the transactions under way within the grace, hands the tasks back and leaves. */
  async stop(): Promise<void> {
    const { knex, clock, settings, log } = this.#options;
    this.#stopping.abort(new Error('the conductor stops'));
    await Promise.all(this.#loops.map((loop) => loop.stop()));
    this.#forget();
    this.#ready.close();
    this.#calls.close();
    const grace = new AbortController();
    await Promise.race([
      Promise.all([this.#ready.idle(), this.#calls.idle()]),
      clock.sleep(settings.stopGraceMs, grace.signal).catch(() => undefined),
    ]);
    grace.abort();
    try {
      const { owner } = this.#lease;
      if (owner !== null) await rows.handBack(knex, owner);
      await this.#lease.stop();
    } catch (error) {
      log.warn({ error: String(error) }, 'tasks not handed back; others adopt them when the lease ends');
    }
  }

  /** Whether every living conductor knows tasks of this kind: others are not to be made. */
  knows(kind: string): boolean {
    return this.#known(kind) !== undefined;
  }

  /**
   * Writes tasks in the transaction that accepts their request; those that begin with a question or an order are already there.
   *
   * @returns drives them on after the commit. Forgetting it costs only time.
   */
  async createTasks(trx: Transaction, tasks: readonly NewTask[]): Promise<GoOn> {
    const { owner } = this.#lease;
    const created = tasks.map((task) => MovingTask.create(task, this.#definitionOf(task.kind)));
    const afterCommit: (() => void)[] = [];
    if (owner !== null)
      await this.#advance(
        trx,
        afterCommit,
        created.filter(({ current }) => current?.kind === 'cast'),
      );
    await this.#insert(trx, owner, created);
    return (commit) => {
      if (owner !== null) this.#goOn(commit, created, afterCommit);
    };
  }

  /** Writes what shall happen instead of the (locked) task, and makes it ours. Call `wake` after the commit. */
  cancel(trx: Transaction, taskId: string, intent: CancelIntent): Promise<void> {
    return rows.cancel(trx, this.#lease.owner, taskId, intent);
  }

  wake(taskIds: readonly string[]): void {
    for (const id of taskIds) this.#enqueue(id, 'woken');
  }

  /** Tasks that are at work here, or wait for their turn. */
  get inHand(): number {
    return this.#inHand.size;
  }

  async hostsReturned(hosts: readonly string[]): Promise<void> {
    await rows.wakeAwaitingHosts(this.#options.knex, hosts);
  }

  /**
   * One transaction that finds tasks, moves them on and writes them.
   *
   * @throws NoLease, or what `find` or a step threw; then nothing was changed (or, when the connection broke at the
   *   commit, everything was: whoever tries again reads the rows first).
   */
  async move(find: Find, refused: ReadonlyMap<string, { step: number; failure: Failure }> = new Map()): Promise<void> {
    const { knex, settings, metrics } = this.#options;
    const { owner } = this.#lease;
    if (owner === null) throw new NoLease('this conductor has no lease at the moment');
    const afterCommit: (() => void)[] = [];
    let moved: readonly MovingTask[] = [];
    const commit = knex.transaction(async (trx) => {
      const found = await find(trx, owner, (row) => this.#load(row));
      const all = await this.#advance(trx, afterCommit, found, refused);
      await rows.write(
        trx,
        owner,
        all.filter((task) => task.fresh === null && task.changed).map((task) => task.change(settings.strandedMs)),
      );
      await this.#insert(
        trx,
        owner,
        all.filter((task) => task.fresh !== null),
      );
      moved = all;
    });
    await goOnAfter(commit, (answer) => {
      metrics.transactions.inc();
      metrics.batch.observe(moved.length);
      this.#goOn(answer, moved, afterCommit);
    });
  }

  #advance(
    trx: Transaction,
    afterCommit: (() => void)[],
    tasks: readonly MovingTask[],
    refused: ReadonlyMap<string, { step: number; failure: Failure }> = new Map(),
  ): Promise<readonly MovingTask[]> {
    const { services } = this.#options;
    const definitionOf = (kind: string) => this.#definitionOf(kind);
    return advance({ trx, definitionOf, services, afterCommit, refused, resendInMs: (attempts) => this.#resendInMs(attempts) }, tasks);
  }

  /** After a commit; of one that is unknown the rows say where the tasks stand. */
  #goOn(commit: Commit, tasks: readonly MovingTask[], afterCommit: readonly (() => void)[]): void {
    for (const act of afterCommit) act();
    // What was carried is written, or may be: it must not be taken for what a later visit of its step asks for.
    for (const { id } of tasks) forgetCarry(this.#inHand.get(id));
    if (commit === 'unknown') return this.wake(tasks.filter(({ live }) => live).map(({ id }) => id));
    for (const task of tasks) this.#follow(task);
    this.#order(tasks.filter((task) => task.order !== null));
  }

  #known(kind: string): AnyTask | undefined {
    const { definitions, minor } = this.#options;
    return definitions.known(kind, minor?.() ?? Infinity);
  }

  /**
   * Whether to make one was decided by `knows`. A conductor of before that came since then leaves it to those that know it, as it
   * leaves what was made before it came.
   *
   * @throws Error for a kind that nobody defined
   */
  #definitionOf(kind: string): AnyTask {
    const found = this.#known(kind) ?? this.#options.definitions.oldest(kind);
    if (found === undefined) throw new Error(`no task is named ${kind}`);
    return found;
  }

  #load(row: rows.TaskRow): MovingTask | undefined {
    const definition = this.#options.definitions.get(row.kind, row.version);
    return definition === undefined ? undefined : new MovingTask(row, definition);
  }

  async #insert(trx: Transaction, owner: Ownership | null, tasks: readonly MovingTask[]): Promise<void> {
    const { strandedMs } = this.#options.settings;
    const inserts = tasks.map((task) => {
      const { id: _, ...progress } = task.change(strandedMs);
      return { ...task.fresh!, version: task.definition.version, progress };
    });
    await rows.insert(trx, owner, inserts);
  }

  /** After the commit: what comes next for one task. */
  #follow(task: MovingTask): void {
    const held = this.#inHand.get(task.id);
    if (held !== undefined) held.troubles = 0;
    if (task.state === 'running' && !task.waiting && !this.#stopping.signal.aborted) {
      if (task.current?.kind !== 'call') this.#enqueue(task.id, 'woken');
      else if (held !== undefined || this.#inHand.size < this.#options.settings.tasksInHand) {
        this.#hold(task.id, task.definition.kind).asked = task;
        this.#calls.push(task.definition.kind, task);
      }
    }
    if (!task.live) this.#options.metrics.finished.inc({ kind: task.definition.kind, state: task.state });
  }

  /** Tells the hosts, after it was written down that they shall be told. What goes wrong here is said again later. */
  #order(tasks: readonly MovingTask[]): void {
    const { services, inquire, log } = this.#options;
    const trouble = (error: unknown) => log.debug({ error: String(error) }, 'order not handed to the broker');
    for (const group of groupBy(
      tasks.filter(({ order }) => order === 'send'),
      ({ definition, step }) => `${definition.kind}/${definition.version}/${step}`,
    ).values()) {
      const { definition, step: index } = group[0]!;
      const step = definition.steps[index - 1];
      if (step?.kind !== 'cast') continue;
      const orders = group.map((task) => ({
        item: task,
        operationId: task.awaits!,
        allowedMs: Math.max(1, Math.round(task.reportInMs ?? 1)),
      }));
      step.send(orders, services).catch(trouble);
    }
    for (const [host, group] of groupBy(
      tasks.filter(({ order }) => order === 'inquire'),
      ({ awaitsHost }) => awaitsHost!,
    )) {
      inquire(
        host,
        group.map(({ awaits }) => awaits!),
      ).catch(trouble);
    }
  }

  #hold(id: string, key: string): Held {
    const held = this.#inHand.get(id) ?? heldAs(key);
    held.key = key;
    this.#inHand.set(id, held);
    return held;
  }

  #enqueue(id: string, key: string): void {
    if (this.#stopping.signal.aborted) return;
    const held = this.#inHand.get(id);
    if (held !== undefined) {
      held.again = true;
      return;
    }
    if (this.#inHand.size >= this.#options.settings.tasksInHand) return; // it is looked at again when its time comes
    this.#hold(id, key);
    this.#ready.push(key, id);
  }

  #release(id: string): void {
    const held = this.#inHand.get(id);
    this.#inHand.delete(id);
    if (held?.again === true) this.#enqueue(id, held.key);
  }

  /** Those that went wrong stay in hand, and come back by a timer. */
  async #drive(ids: readonly string[], refused: ReadonlyMap<string, { step: number; failure: Failure }>): Promise<void> {
    const { inquiryMs } = this.#options.settings;
    const found = new Set<string>();
    try {
      await this.move(async (trx, owner, load) => {
        const own = (await rows.lockOwn(trx, owner, ids)).map(load).filter((task) => task !== undefined);
        for (const task of own) {
          found.add(task.id);
          receive(task, { carry: this.#inHand.get(task.id)?.carry, inquiryMs, resendInMs: (attempts) => this.#resendInMs(attempts) });
        }
        return own;
      }, refused);
      // One that was not found ended, or is another conductor's: whatever it was asked for here, it is no more.
      for (const id of ids) if (!found.has(id) || this.#inHand.get(id)?.asked === undefined) this.#release(id);
    } catch (error) {
      if (error instanceof NoLease || this.#stopping.signal.aborted) {
        for (const id of ids) this.#release(id);
        return;
      }
      if (error instanceof StepFailedAlone && ids.includes(error.taskId) && !refused.has(error.taskId)) {
        return this.#drive(ids, new Map(refused).set(error.taskId, { step: error.step, failure: error.failed.failure }));
      }
      if (ids.length > 1 && !isUnavailable(error)) {
        // One of them spoils the transaction of all; alone, each fares as it deserves.
        const middle = Math.ceil(ids.length / 2);
        await this.#drive(ids.slice(0, middle), refused);
        return this.#drive(ids.slice(middle), refused);
      }
      await Promise.all(ids.map((id) => this.#trouble(id, error)));
    }
  }

  /** It went wrong and may work next time. */
  async #trouble(id: string, error: unknown): Promise<void> {
    const { knex, settings, random, clock, log, metrics } = this.#options;
    const held = this.#inHand.get(id);
    const attempts = held?.troubles ?? 0;
    if (held !== undefined) held.troubles += 1;
    const waitMs = backoff(isTransient(error) ? 0 : attempts, { minMs: settings.retryMinMs, maxMs: settings.retryMaxMs }, random);
    metrics.troubles.inc();
    if (attempts === 0) log.warn({ taskId: id, error: error instanceof Error ? error.message : String(error) }, 'task step went wrong');
    const { owner } = this.#lease;
    if (owner !== null && !isUnavailable(error)) {
      const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
      // Counted in the row, so that a deadline can end what never works; looked at again even if this process dies.
      await rows
        .noteTrouble(knex, owner, { id, message: message.slice(0, 2_000), wakeInMs: waitMs + settings.strandedMs })
        .catch(() => undefined);
    }
    const cancel = clock.after(waitMs, () => {
      this.#timers.delete(cancel);
      if (held === undefined || this.#inHand.get(id) !== held) return;
      held.key = 'again';
      held.again = false;
      this.#ready.push('again', id);
    });
    this.#timers.add(cancel);
  }

  async #call(task: MovingTask): Promise<void> {
    const step = task.current;
    if (step?.kind !== 'call') return this.#release(task.id);
    let carry: Carry | undefined;
    let trouble: unknown;
    try {
      carry = { step: task.step, output: await step.ask({ item: task, services: this.#options.services, signal: this.#stopping.signal }) };
    } catch (error) {
      trouble = error;
      if (error instanceof StepFailed) carry = { step: task.step, failure: error.failure };
    }
    const held = this.#inHand.get(task.id);
    // The lease was lost meanwhile, or somebody moved the task on: this answers what nobody asks any more.
    if (held?.asked !== task) return;
    if (carry === undefined) {
      if (this.#stopping.signal.aborted) return;
      forgetCarry(held);
      return this.#trouble(task.id, trouble);
    }
    held.carry = carry;
    held.key = `${task.definition.kind}:${task.step + 1}`;
    this.#ready.push(held.key, task.id);
  }

  #resendInMs(attempts: number): number {
    const { settings, random } = this.#options;
    return backoff(attempts, { minMs: settings.resendMinMs, maxMs: settings.resendMaxMs }, random);
  }

  async #look(): Promise<void> {
    const { owner } = this.#lease;
    if (owner === null) return;
    const { knex, settings } = this.#options;
    // Those in hand are due as well until they are written: they must not hide the others.
    const found = await rows.due(knex, owner, settings.taskBatch * settings.taskConcurrency + this.#inHand.size);
    for (const { id, kind, step } of found) if (!this.#inHand.has(id)) this.#enqueue(id, `${kind}:${step}`);
  }

  async #adopt(signal: AbortSignal): Promise<void> {
    const { knex, settings, definitions, log, metrics } = this.#options;
    const fenced = await fenceExpired(knex);
    for (const { id, epoch } of fenced) log.warn({ conductor: id, epoch }, 'conductor fenced: its lease ran out');
    while (!signal.aborted) {
      const { owner } = this.#lease;
      if (owner === null || this.#inHand.size >= settings.tasksInHand) return;
      const adopted = await rows.adopt(knex, owner, definitions.keys, settings.adoptBatch);
      if (adopted.length > 0) log.info({ tasks: adopted.length }, 'tasks adopted');
      metrics.adopted.inc(adopted.length);
      for (const { id, kind, step } of adopted) this.#enqueue(id, `${kind}:${step}`);
      if (adopted.length < settings.adoptBatch) return;
    }
  }

  /** Drops what waits in memory; the rows know everything. */
  #forget(): void {
    for (const cancel of this.#timers) cancel();
    this.#timers.clear();
    this.#ready.clear();
    this.#calls.clear();
    this.#inHand.clear();
  }
}
