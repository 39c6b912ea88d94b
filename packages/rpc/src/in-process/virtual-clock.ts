import type { Clock } from '../environment.ts';

interface Timer {
  readonly at: number;
  readonly act: () => void;
}

/** What `until` may wait by default: an hour of the clock's own time. */
const MOST_MS = 3_600_000;

/** What a clock may be told besides its start. */
export interface VirtualClockOptions {
  /**
   * Settles when nothing is under way for which time must stand still; asked before every timer. Default: when the
   * promises that wait for nothing outside have gone on. One that also waits for a file or a socket makes both wait.
   */
  readonly idle?: () => Promise<void>;
}

/**
 * Time that goes on only when told to, for tests: an hour's wait takes no time, and timers come in the same order every
 * run. Hand it to `InProcessBroker` as `clock`. What waits for the real world (a file, a socket) does not move it, unless
 * `idle` waits for that.
 */
export class VirtualClock implements Clock {
  readonly #startedAt: number;
  readonly #idle: () => Promise<void>;
  #elapsedMs = 0;
  readonly #timers = new Set<Timer>();

  /** @param startedAt what `now` says first; milliseconds since the epoch */
  constructor(startedAt = 0, { idle = settled }: VirtualClockOptions = {}) {
    this.#startedAt = startedAt;
    this.#idle = idle;
  }

  now(): number {
    return this.#startedAt + this.#elapsedMs;
  }

  monotonic(): number {
    return this.#elapsedMs;
  }

  after(ms: number, act: () => void): () => void {
    const timer = { at: this.#elapsedMs + Math.max(0, ms), act };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) return reject(signal.reason);
      const onAbort = () => {
        cancel();
        reject(signal?.reason);
      };
      const cancel = this.after(ms, () => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      });
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  /** Timers that wait; 0 in the end says that nothing was left behind. */
  get pending(): number {
    return this.#timers.size;
  }

  /** Lets `ms` pass: the timers within come in order, and what they wake runs before the next. */
  async advance(ms: number): Promise<void> {
    const end = this.#elapsedMs + ms;
    await this.#idle();
    for (let timer = this.#first(end); timer !== undefined; timer = this.#first(end)) {
      this.#fire(timer);
      await this.#idle();
    }
    this.#elapsedMs = end;
  }

  /**
   * The outcome of `work`, with as much time passing as it takes.
   *
   * @throws Error when `work` waits for no timer of this clock, or for more than `mostMs` of its time.
   */
  async until<T>(work: Promise<T>, mostMs = MOST_MS): Promise<T> {
    const end = this.#elapsedMs + mostMs;
    let over = false;
    const mark = () => void (over = true);
    work.then(mark, mark);
    await this.#idle();
    while (!over) {
      const timer = this.#first(end);
      if (timer === undefined)
        throw new Error(`nothing more happens within ${mostMs} ms of the virtual clock (${this.pending} timers later)`);
      this.#fire(timer);
      await this.#idle();
    }
    return work;
  }

  /** Those of the same moment come as they were set. */
  #first(end: number): Timer | undefined {
    let first: Timer | undefined;
    for (const timer of this.#timers) if (timer.at <= end && (first === undefined || timer.at < first.at)) first = timer;
    return first;
  }

  #fire(timer: Timer): void {
    this.#timers.delete(timer);
    this.#elapsedMs = Math.max(this.#elapsedMs, timer.at);
    timer.act();
  }
}

/** When the promises that wait for nothing outside have all gone on. */
const settled = () => new Promise<void>((resolve) => setImmediate(resolve));
