import type { Clock } from '@kilonova/runtime';

export interface PlacesOptions {
  /** Batches at work at the same time, at most. */
  readonly concurrency: number;
  /** How long the batch that began last has to be at work before another one begins beside it; milliseconds. */
  readonly patienceMs: number;
  readonly clock: Clock;
}

/**
 * Places at work, shared by all whose transactions touch the same rows. Two such transactions at once would wait for each
 * other inside the database, with everything they hold: so one goes at a time and takes all that is ready, and only one
 * that is held up gets company.
 */
export class Places {
  readonly #options: PlacesOptions;
  /** Those that found no place, the first comer first. */
  readonly #waiting = new Set<() => void>();
  #active = 0;
  #lastBegan = 0;
  #cancel: (() => void) | undefined;

  constructor(options: PlacesOptions) {
    this.#options = options;
  }

  /** Batches at work. */
  get taken(): number {
    return this.#active;
  }

  /** Takes a place. @returns how to leave it; undefined when there is none now: then `again` is called when there may be one */
  enter(again: () => void): (() => void) | undefined {
    const { concurrency, clock } = this.#options;
    if (this.#active >= concurrency || this.#lacksMs() > 0) {
      this.#waiting.add(again);
      this.#arm();
      return undefined;
    }
    this.#active += 1;
    this.#lastBegan = clock.monotonic();
    return () => {
      this.#active -= 1;
      this.#wake();
    };
  }

  /** What is missing until another batch may begin. */
  #lacksMs(): number {
    const { patienceMs, clock } = this.#options;
    return this.#active === 0 ? 0 : this.#lastBegan + patienceMs - clock.monotonic();
  }

  #arm(): void {
    if (this.#active >= this.#options.concurrency) return;
    this.#cancel ??= this.#options.clock.after(Math.max(1, Math.ceil(this.#lacksMs())), () => {
      this.#cancel = undefined;
      this.#wake();
    });
  }

  #wake(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const again of waiting) again();
  }
}
