// What a server has taken on. Control messages have handlers and a waiting room of their own, so that bulk work never
// holds them up; messages that keep their order wait for the one before them, not for others.
import { Admission } from './admission.ts';
import type { Clock } from '../environment.ts';
import { ConnectionLost } from '../errors.ts';
import type { Job } from './job.ts';
import { KeyChains } from './key-chains.ts';
import { isOrdered } from '../contract/lane.ts';
import type { EveryServerLimit, LaneLimits } from './server-limits.ts';
import { isAwaited } from '../wire/wire.ts';

/** Why a job is not taken on. */
export interface Overload {
  readonly waiting: number;
  readonly limit: number;
}

interface Lane {
  readonly admission: Admission<Job>;
  readonly limits: Required<LaneLimits>;
}

export class Intake {
  readonly #normal: Lane;
  readonly #control: Lane;
  readonly #execute: (job: Job) => Promise<void>;
  readonly #chains = new KeyChains<Job>();
  readonly #orderedRunning = new Set<Job>();
  /** Casts that wait for another attempt, with what ends the wait. */
  readonly #resting = new Map<Job, () => void>();
  readonly #clock: Clock;
  readonly #maxRetrying: number;
  #retired = false;
  #orderedIdle: (() => void) | undefined;

  /** `execute` never rejects. */
  constructor(clock: Clock, limits: EveryServerLimit, execute: (job: Job) => Promise<void>) {
    this.#clock = clock;
    this.#maxRetrying = limits.maxRetrying;
    const lane = (own: Required<LaneLimits>): Lane => ({ limits: own, admission: new Admission(own.concurrency, (job) => this.#run(job)) });
    this.#normal = lane(limits);
    this.#control = lane(limits.control);
    this.#execute = execute;
  }

  /** How many handlers run. */
  get running(): number {
    return this.#normal.admission.running + this.#control.admission.running;
  }

  /** How many requests wait for one, or for the one before them. */
  get waiting(): number {
    return this.#normal.admission.waiting + this.#control.admission.waiting + this.#chains.waiting + this.#resting.size;
  }

  /** Undefined: it runs now or when its turn comes. */
  admit(job: Job): Overload | undefined {
    const { admission, limits } = job.lane === 'control' ? this.#control : this.#normal;
    const { kind, orderKey } = job.accepted.envelope;
    // What nobody waits for is never refused: prefetch bounds it.
    const limit = isAwaited(kind) ? limits.overloadLimit : Number.POSITIVE_INFINITY;
    const chained = job.lane === 'control' ? 0 : this.#chains.waiting;
    const overload = { waiting: admission.waiting + chained, limit: limits.overloadLimit };
    if (orderKey === undefined) return admission.admit(job, limit - chained) ? undefined : overload;
    if (this.#chains.busy(orderKey) && overload.waiting >= limit) return overload;
    if (!this.#chains.enter(orderKey, job)) return undefined;
    if (admission.admit(job, limit - chained)) return undefined;
    this.#chains.leave(orderKey);
    return overload;
  }

  /** The job gets another attempt after a while, and holds no handler's place meanwhile. False when too many do so already. */
  rest(job: Job, ms: number): boolean {
    if (this.#retired) {
      this.#resting.set(job, nothing); // handed back with all the others
      return true;
    }
    if (this.#resting.size >= this.#maxRetrying) return false;
    const { admission } = job.lane === 'control' ? this.#control : this.#normal;
    const begin = () => {
      this.#resting.delete(job);
      admission.admit(job, Number.POSITIVE_INFINITY);
    };
    this.#resting.set(job, this.#clock.after(ms, begin));
    return true;
  }

  /**
   * Begins no more attempts at what has failed, and nothing more of what other servers could do in its order: handed back now, each message is still before all
   * later ones of its key.
   */
  retire(): void {
    this.#retired = true;
    for (const cancel of this.#resting.values()) cancel();
  }

  /** Settles when none of these is running: true, or after `ms`: false. */
  async orderedIdle(clock: Clock, ms: number): Promise<boolean> {
    if (this.#orderedRunning.size === 0) return true;
    return new Promise((resolve) => {
      const cancel = clock.after(ms, () => resolve(false));
      this.#orderedIdle = () => {
        cancel();
        resolve(true);
      };
    });
  }

  /** Settles when nothing runs and nothing waits, or after `ms`. */
  async drained(clock: Clock, ms: number): Promise<void> {
    await Promise.all([this.#normal, this.#control].map(({ admission }) => admission.drained(clock, ms)));
  }

  /** What runs and what waits; nothing that waits is begun any more. */
  giveUp(): readonly Job[] {
    const left = [...this.#normal.admission.giveUp(), ...this.#control.admission.giveUp(), ...this.#chains.drop(), ...this.#resting.keys()];
    this.#resting.clear();
    for (const job of left) job.givenUp = true;
    return left;
  }

  #run(job: Job): Promise<void> {
    const { orderKey } = job.accepted.envelope;
    return orderKey === undefined ? this.#execute(job) : this.#runOrdered(job, orderKey);
  }

  async #runOrdered(job: Job, orderKey: string): Promise<void> {
    const { lost } = job.delivery;
    if (isOrdered(job.lane) && (this.#retired || lost?.aborted === true)) {
      // Not acknowledged, and so the broker gives it to the next server, or to this one again.
      job.context.end();
      job.endBeats?.();
    } else {
      const onLost = () => job.context.abort(new ConnectionLost('the connection was lost; the message will be given to another server'));
      lost?.addEventListener('abort', onLost, { once: true });
      this.#orderedRunning.add(job);
      await this.#execute(job);
      this.#orderedRunning.delete(job);
      lost?.removeEventListener('abort', onLost);
      if (this.#orderedRunning.size === 0) this.#orderedIdle?.();
      if (this.#resting.has(job)) return; // its turn goes on
    }
    const next = this.#chains.leave(orderKey);
    if (next !== undefined) this.#normal.admission.admit(next, Number.POSITIVE_INFINITY);
  }
}

const nothing = () => undefined;
