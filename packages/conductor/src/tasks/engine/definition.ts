/**
 * What a task is: a list of steps, each next to the way to take it back. The engine knows nothing of compute.
 *
 * - A local step touches rows only, for a batch of tasks in one transaction; rows and progress commit together.
 * - A call step asks another service and may be asked again; its answer is written with the next local step.
 * - A cast step tells a host something that may be said twice. That it will be said is committed before it is said.
 * - An awaitReport step parks the task until the host's report or its deadline.
 *
 * Taking back is local too: what a host may still hold is written down as a row that remembers it.
 */
import type { Transaction } from '../../db/connection.ts';
import type { Patience } from '../../db/hurried-tasks.ts';
import type { NewTask } from './new-task.ts';

/** Why a task (or one operation of it) failed, as far as the user may read it. */
export interface Failure {
  readonly message: string;
  readonly details?: string;
  /** Of the fault; 500 when not said. */
  readonly code?: number;
  /** Nobody answered in time: what the far side did is not known. */
  readonly unanswered?: boolean;
  /** Besides: an operator forced the host down, and so said that nothing runs there and nothing will be done. */
  readonly forcedDown?: boolean;
}

/** Whether the host that this is said of may have what it was told to make, for all that is known. */
export const mayHaveDone = (failure: Failure | null): boolean => failure?.unanswered === true && failure.forcedDown !== true;

/** What shall happen instead of finishing; written by whoever accepted that. `kind` says what, the rest is up to it. */
export interface CancelIntent {
  readonly kind: string;
  readonly requestId: string;
  readonly [more: string]: unknown;
}

/** Why a task ends that something of this kind took over. */
export const cancelledBy = (kind: string): Failure => ({ message: `cancelled: ${kind}` });

/** How an awaited operation ended. */
export interface ReportOutcome {
  readonly outcome: 'done' | 'failed';
  readonly failure: Failure | null;
  readonly power: number;
  /** What the host said besides, for a later step. */
  readonly destination?: string;
  readonly progress?: object;
}

/** One task as its steps see it. */
export interface TaskItem<Params> {
  readonly id: string;
  readonly instanceUuid: string | null;
  readonly requestId: string;
  readonly params: Params;
  /** By step name, of the steps that are done. */
  readonly outputs: Readonly<Record<string, unknown>>;
  readonly cancel: CancelIntent | null;
  /** Why it unwinds. */
  readonly failure: Failure | null;
}

export type Batch<Params> = readonly TaskItem<Params>[];

/** What a local step says of one task; nothing said means: done, without output. */
export type Verdict =
  | { readonly output: unknown }
  /** This can never work: the task unwinds. The step itself left nothing behind for it. */
  | { readonly failed: Failure }
  /** Go on at another step, usually an earlier one. */
  | { readonly goTo: string; readonly output?: unknown }
  /** Nothing can be done yet: the step runs again after so many milliseconds, or when the task is due sooner. */
  | { readonly waitMs: number };
export type Verdicts = ReadonlyMap<string, Verdict>;

export type AtEnd<Item> = (trx: Transaction, items: readonly Item[]) => Promise<void>;

/** What a local step has besides its rows. */
export interface StepContext<Services> {
  readonly services: Services;
  /** A task that is written in this transaction, after the batch's own progress. */
  follow(task: NewTask): void;
  /**
   * Done once behind all steps of the transaction, for everything that was handed to the same function: for rows that are
   * locked last (quota), also where other tasks' steps share the transaction.
   */
  atEnd<Item>(work: AtEnd<Item>, items: readonly Item[]): void;
  /**
   * Something to be done when the transaction is committed: that somebody looks at rows. Lost without harm when the process dies,
   * and done also when the answer to the commit is lost.
   */
  afterCommit(act: () => void): void;
}

// Steps of one task know their Params; the engine that holds all kinds of them cannot.
// eslint-disable-next-line typescript/no-explicit-any
type Anything = any;

export type LocalWork<Params, Services, Result> = (
  batch: Batch<Params>,
  trx: Transaction,
  context: StepContext<Services>,
) => Promise<Result>;

export interface LocalStep<Params, Services> {
  readonly run: LocalWork<Params, Services, Verdicts | void>;
  readonly undo?: LocalWork<Params, Services, void>;
}

export interface CallStep<Params, Services> {
  readonly ask: (input: { readonly item: TaskItem<Params>; readonly services: Services; readonly signal: AbortSignal }) => Promise<unknown>;
}

export interface Order<Params> {
  readonly item: TaskItem<Params>;
  /** The same for every repeat. */
  readonly operationId: string;
  /** How long the conductor still waits, in milliseconds. */
  readonly allowedMs: number;
}

export interface CastStep<Params, Services> {
  /** To which host. */
  readonly to: (item: TaskItem<Params>) => string;
  /** Says it for all; settles when everything is handed to the broker. A rejection costs a later repeat. */
  readonly send: (orders: readonly Order<Params>[], services: Services) => Promise<void>;
  readonly undo?: LocalWork<Params, Services, void>;
}

export interface AwaitStep<Services> {
  /** Milliseconds from the moment the order was written down. */
  readonly deadlineMs: (services: Services) => number;
  /**
   * How much longer a host is waited for once it fell silent; when not said, as long as any. Nobody waits for one that an
   * operator forced down.
   */
  readonly downMs?: (services: Services) => number;
  /** unwind: a failure is the task's; goOn: the next step finds it in the ReportOutcome. */
  readonly onFailure: 'unwind' | 'goOn';
}

export type Step =
  | ({ readonly kind: 'local'; readonly name: string } & LocalStep<Anything, Anything>)
  | ({ readonly kind: 'call'; readonly name: string } & CallStep<Anything, Anything>)
  | ({ readonly kind: 'cast'; readonly name: string } & CastStep<Anything, Anything>)
  | ({ readonly kind: 'await'; readonly name: string } & AwaitStep<Anything>);

/**
 * A definition; every method returns a longer one. Changed steps: a higher version, the old one kept until no task runs it.
 * `since`: the minor of the wire whose conductors know that version; as long as older ones live, no task of it is made.
 */
export class Task<Params extends object, Services> {
  readonly kind: string;
  readonly version: number;
  readonly since: number;
  readonly steps: readonly Step[];
  /** The end of a task that could not be done: runs last, in the transaction of its undos. */
  readonly onUnwound: LocalWork<Params, Services, void>;

  constructor(
    kind: string,
    version: number,
    since = 0,
    steps: readonly Step[] = [],
    onUnwound: LocalWork<Params, Services, void> = async () => undefined,
  ) {
    this.kind = kind;
    this.version = version;
    this.since = since;
    this.steps = steps;
    this.onUnwound = onUnwound;
  }

  local(name: string, step: LocalStep<Params, Services>): Task<Params, Services> {
    return this.#with({ kind: 'local', name, ...step });
  }

  call(name: string, step: CallStep<Params, Services>): Task<Params, Services> {
    return this.#with({ kind: 'call', name, ...step });
  }

  cast(name: string, step: CastStep<Params, Services>): Task<Params, Services> {
    return this.#with({ kind: 'cast', name, ...step });
  }

  /** Must follow a cast. */
  awaitReport(name: string, step: AwaitStep<Services>): Task<Params, Services> {
    if (this.steps.at(-1)?.kind !== 'cast') throw new TypeError(`${this.kind}.${name}: a report is awaited right after a cast`);
    return this.#with({ kind: 'await', name, ...step });
  }

  unwound(work: LocalWork<Params, Services, void>): Task<Params, Services> {
    return new Task(this.kind, this.version, this.since, this.steps, work);
  }

  #with(step: Step): Task<Params, Services> {
    if (this.steps.some(({ name }) => name === step.name)) throw new TypeError(`${this.kind}: two steps are named ${step.name}`);
    if (this.steps.at(-1)?.kind === 'cast' && step.kind !== 'await')
      throw new TypeError(`${this.kind}.${step.name}: a cast is followed by awaitReport, or nobody would know what became of it`);
    return new Task(this.kind, this.version, this.since, [...this.steps, step], this.onUnwound);
  }
}

/** Thrown by a step to say "this can never work": the task unwinds. Anything else is tried again. */
export class StepFailed extends Error {
  override name = 'StepFailed';
  readonly failure: Failure;

  constructor(failure: Failure) {
    super(failure.message);
    this.failure = failure;
  }
}

export type AnyTask = Task<Anything, Anything>;

/** All definitions that a conductor can run, by kind and version. */
export class Definitions {
  readonly #byKey = new Map<string, AnyTask>();
  /** By kind, newest first. */
  readonly #versions = new Map<string, readonly AnyTask[]>();

  constructor(tasks: readonly AnyTask[]) {
    for (const task of tasks) {
      const last = task.steps.at(-1)?.kind;
      if (last !== 'local') throw new TypeError(`${task.kind}: the last step is local, since only that ends in rows`);
      this.#byKey.set(`${task.kind}/${task.version}`, task);
      const versions = [...(this.#versions.get(task.kind) ?? []), task];
      this.#versions.set(
        task.kind,
        versions.toSorted((a, b) => b.version - a.version),
      );
    }
  }

  get(kind: string, version: number): AnyTask | undefined {
    return this.#byKey.get(`${kind}/${version}`);
  }

  /** The newest version of a kind that all conductors of a minor know; undefined when they know none. */
  known(kind: string, minor: number): AnyTask | undefined {
    return this.#versions.get(kind)?.find(({ since }) => since <= minor);
  }

  /** The version of a kind that the most know; undefined when nobody defined it. */
  oldest(kind: string): AnyTask | undefined {
    return this.#versions.get(kind)?.at(-1);
  }

  /** What conductors of a minor do not know. */
  newerThan(minor: number): readonly Pick<AnyTask, 'kind' | 'version'>[] {
    return [...this.#byKey.values()].filter(({ since }) => since > minor);
  }

  get kinds(): readonly string[] {
    return [...this.#versions.keys()];
  }

  /** As `kind/version`. */
  get keys(): readonly string[] {
    return [...this.#byKey.keys()];
  }

  /**
   * Of the steps that do not wait for a silent host as long as for others.
   *
   * @param services as far as these steps ask for them
   */
  patience(services: object): readonly Patience[] {
    return [...this.#byKey.values()].flatMap(({ kind, version, steps }) =>
      steps.flatMap((each, step) =>
        each.kind === 'await' && each.downMs !== undefined ? [{ kind, version, step, downMs: each.downMs(services as Anything) }] : [],
      ),
    );
  }
}
