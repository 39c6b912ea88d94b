interface Entry<T> {
  readonly value: T;
  usedAt: number;
}

/** At most so many values by key; the one that was not asked for the longest makes room. */
export class LeastRecentlyUsed<T> {
  readonly #entries = new Map<string, Entry<T>>();
  readonly #most: number;
  #uses = 0;

  constructor(most: number) {
    this.#most = most;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: string, make: () => T): T {
    this.#uses += 1;
    const known = this.#entries.get(key);
    if (known !== undefined) {
      known.usedAt = this.#uses;
      return known.value;
    }
    if (this.#entries.size >= this.#most) this.#makeRoom();
    const value = make();
    this.#entries.set(key, { value, usedAt: this.#uses });
    return value;
  }

  #makeRoom(): void {
    let oldest: string | undefined;
    let usedAt = Infinity;
    for (const [key, entry] of this.#entries) {
      if (entry.usedAt >= usedAt) continue;
      oldest = key;
      usedAt = entry.usedAt;
    }
    if (oldest !== undefined) this.#entries.delete(oldest);
  }
}
