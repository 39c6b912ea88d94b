import type { Clock } from '../environment.ts';

/** Lets a bounded number of jobs run, first come first served. Knows nothing of messages. */
export class Admission<T> {
  readonly #concurrency: number;
  readonly #run: (job: T) => Promise<void>;
  readonly #running = new Set<T>();
  #waiting: T[] = [];
  #idle: (() => void) | undefined;

  /** `run` never rejects. */
  constructor(concurrency: number, run: (job: T) => Promise<void>) {
    this.#concurrency = concurrency;
    this.#run = run;
  }

  get running(): number {
    return this.#running.size;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** Runs the job now, or when its turn comes. False, and nothing done, when it would be the one above `mostWaiting`. */
  admit(job: T, mostWaiting: number): boolean {
    if (this.#running.size < this.#concurrency) void this.#start(job);
    else if (this.#waiting.length >= mostWaiting) return false;
    else this.#waiting.push(job);
    return true;
  }

  /** Settles when nothing runs and nothing waits, or after `ms`. */
  async drained(clock: Clock, ms: number): Promise<void> {
    if (this.#running.size + this.#waiting.length === 0) return;
    await new Promise<void>((resolve) => {
      const cancel = clock.after(ms, resolve);
      this.#idle = () => {
        cancel();
        resolve();
      };
    });
  }

  /** What runs and what waits; nothing that waits is begun any more. */
  giveUp(): readonly T[] {
    const left = [...this.#running, ...this.#waiting];
    this.#waiting = [];
    return left;
  }

  async #start(job: T): Promise<void> {
    this.#running.add(job);
    try {
      await this.#run(job);
    } finally {
      this.#running.delete(job);
      const next = this.#waiting.shift();
      if (next !== undefined) void this.#start(next);
      else if (this.#running.size === 0) this.#idle?.();
    }
  }
}
