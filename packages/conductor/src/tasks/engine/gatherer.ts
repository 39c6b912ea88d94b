import type { Places } from './places.ts';

export interface GathererLimits {
  /** Items of one batch, at most. */
  readonly batch: number;
  /** Where batches get their turn. */
  readonly places: Places;
}

/**
 * Gathers what becomes ready in one turn of the event loop and hands it on in batches of equals, a bounded number of
 * batches at a time. While all places are taken more gathers, so that load makes batches larger and not queues longer.
 */
export class Gatherer<T> {
  readonly #limits: GathererLimits;
  readonly #run: (batch: readonly T[]) => Promise<void>;
  readonly #waiting = new Map<string, T[]>();
  #active = 0;
  #scheduled = false;
  #closed = false;
  #whenIdle: (() => void)[] = [];

  /** `run` must not reject. */
  constructor(limits: GathererLimits, run: (batch: readonly T[]) => Promise<void>) {
    this.#limits = limits;
    this.#run = run;
  }

  /** Items of the same `kind` may share a batch. */
  push(kind: string, item: T): void {
    if (this.#closed) return;
    const waiting = this.#waiting.get(kind);
    if (waiting === undefined) this.#waiting.set(kind, [item]);
    else waiting.push(item);
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#start();
    });
  }

  /** Takes nothing more and forgets what waits. */
  close(): readonly T[] {
    this.#closed = true;
    return this.clear();
  }

  clear(): readonly T[] {
    const left = [...this.#waiting.values()].flat();
    this.#waiting.clear();
    return left;
  }

  /** Settles when no batch is at work. */
  async idle(): Promise<void> {
    if (this.#active > 0) await new Promise<void>((settle) => this.#whenIdle.push(settle));
  }

  readonly #start = (): void => {
    while (this.#waiting.size > 0) {
      const leave = this.#limits.places.enter(this.#start);
      if (leave === undefined) return;
      const [kind, items] = this.#waiting.entries().next().value!;
      const batch = items.splice(0, this.#limits.batch);
      // To the end of the line, so that one kind in plenty does not starve the others.
      this.#waiting.delete(kind);
      if (items.length > 0) this.#waiting.set(kind, items);
      this.#active += 1;
      void this.#run(batch).finally(() => {
        this.#active -= 1;
        leave();
        this.#start();
        if (this.#active === 0) for (const settle of this.#whenIdle.splice(0)) settle();
      });
    }
  };
}
