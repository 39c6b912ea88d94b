// Calls that are tried again: only where their contract says that a repeat does no harm, only after failures that another
// attempt may cure, and never so many that they make an overload worse.
import type { Environment, RpcLabels } from '../environment.ts';
import { Busy, ConnectionLost, Unreachable } from '../errors.ts';

/** How a call is tried again after Busy, Unreachable and ConnectionLost, within its deadline. */
export interface RetryPolicy {
  /** In all, the first included; at least 2. */
  readonly attempts: number;
  /** Upper bound of the first wait, doubled each time; every wait is random between 0 and its bound. Milliseconds. Default 50. */
  readonly baseMs?: number;
  /** No bound is above this; milliseconds. Default 2 000. */
  readonly capMs?: number;
}

/** How many retries a client may add to its calls. */
export interface RetryBudgetOptions {
  /** Retries earned by each call; 0.1 means that retries are at most a tenth of the calls, in the long run. Default 0.1. */
  readonly ratio?: number;
  /** Retries that may be saved up, and are there at the start. Default 10. */
  readonly burst?: number;
}

const DEFAULTS = { baseMs: 50, capMs: 2_000 };
const BUDGET = { ratio: 0.1, burst: 10 };

/** @throws TypeError naming the method and what cannot work */
export function checkRetry(where: string, retry: RetryPolicy, idempotent: boolean): void {
  if (!idempotent) throw new TypeError(`method ${where}: retry needs idempotent: true, for a failed attempt may have had its effect`);
  const { attempts, baseMs, capMs } = { ...DEFAULTS, ...retry };
  if (!Number.isInteger(attempts) || attempts < 2)
    throw new TypeError(`method ${where}: retry.attempts: expected a whole number of at least 2, got ${attempts}`);
  if (!(baseMs > 0 && capMs >= baseMs))
    throw new TypeError(`method ${where}: expected 0 < retry.baseMs <= retry.capMs, got ${baseMs} and ${capMs}`);
}

/** A bucket of tokens: each call puts a part of one in, each retry takes one out. */
export class RetryBudget {
  readonly #ratio: number;
  readonly #burst: number;
  #tokens: number;

  /** @throws TypeError for a ratio or burst below 0 */
  constructor(options: RetryBudgetOptions = {}) {
    this.#ratio = options.ratio ?? BUDGET.ratio;
    this.#burst = options.burst ?? BUDGET.burst;
    if (!(this.#ratio >= 0 && this.#burst >= 0))
      throw new TypeError(`retryBudget: expected ratio and burst of at least 0, got ${this.#ratio} and ${this.#burst}`);
    this.#tokens = this.#burst;
  }

  earn(): void {
    this.#tokens = Math.min(this.#burst, this.#tokens + this.#ratio);
  }

  /** False when there is nothing left. */
  spend(): boolean {
    // A tenth added ten times is a little less than one.
    if (this.#tokens < 1 - 1e-9) return false;
    this.#tokens = Math.max(0, this.#tokens - 1);
    return true;
  }
}

export interface RetryPlan {
  readonly policy: RetryPolicy;
  readonly budget: RetryBudget;
  /** For all attempts together; milliseconds. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
  readonly labels: RpcLabels;
}

/**
 * The outcome of the first attempt that succeeds, or fails for good. An attempt is told what is left of the deadline.
 *
 * @throws the last attempt's error, or the signal's reason
 */
export async function withRetries<T>(
  { clock, random, metrics }: Environment,
  { policy, budget, timeoutMs, signal, labels }: RetryPlan,
  attempt: (remainingMs: number) => Promise<T>,
): Promise<T> {
  const { attempts, baseMs, capMs } = { ...DEFAULTS, ...policy };
  const endsAt = clock.monotonic() + timeoutMs;
  budget.earn();
  for (let tried = 1; ; tried++) {
    try {
      return await attempt(endsAt - clock.monotonic());
    } catch (error) {
      if (tried >= attempts || !curable(error)) throw error;
      const waitMs = random.next() * Math.min(capMs, baseMs * 2 ** (tried - 1));
      if (clock.monotonic() + waitMs >= endsAt) throw error;
      if (!budget.spend()) {
        metrics.count('retry_budget_exhausted', labels);
        throw error;
      }
      await clock.sleep(waitMs, signal).catch(() => undefined);
      signal?.throwIfAborted();
      // A sleep may be longer than asked for: what the attempt really said is the better answer.
      if (clock.monotonic() >= endsAt) throw error;
      metrics.count('retried', labels);
    }
  }
}

const curable = (error: unknown) => error instanceof Busy || error instanceof Unreachable || error instanceof ConnectionLost;
