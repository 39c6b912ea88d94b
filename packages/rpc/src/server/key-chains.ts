/** Jobs of one key take turns, in the order in which they came; those of other keys do not wait for them. */
export class KeyChains<T> {
  /** By key, those behind the one whose turn it is. */
  readonly #behind = new Map<string, T[]>();
  #waiting = 0;

  /** How many wait behind another. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Whether it would have to wait. */
  busy(key: string): boolean {
    return this.#behind.has(key);
  }

  /** True when it is the job's turn; whoever has had it calls `leave`. */
  enter(key: string, job: T): boolean {
    const behind = this.#behind.get(key);
    if (behind === undefined) {
      this.#behind.set(key, []);
      return true;
    }
    behind.push(job);
    this.#waiting++;
    return false;
  }

  /** The turn is over: the job that has it next. */
  leave(key: string): T | undefined {
    const next = this.#behind.get(key)?.shift();
    if (next === undefined) this.#behind.delete(key);
    else this.#waiting--;
    return next;
  }

  /** All that wait; they are forgotten. */
  drop(): readonly T[] {
    const all = [...this.#behind.values()].flat();
    for (const behind of this.#behind.values()) behind.length = 0;
    this.#waiting = 0;
    return all;
  }
}
