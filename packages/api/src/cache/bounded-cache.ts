import type { Clock } from '@kilonova/runtime';

interface Entry<T> {
  readonly value: T;
  readonly until: number;
}

/**
 * What was found, for a while: at most `size` entries, the least recently used goes first. A key that is being looked up
 * is not looked up a second time: all who ask meanwhile get the one answer. Failures are not kept.
 */
export class BoundedCache<T> {
  readonly #entries = new Map<string, Entry<T>>();
  readonly #pending = new Map<string, Promise<T>>();
  readonly #clock: Clock;
  readonly #size: number;

  constructor(clock: Clock, size: number) {
    this.#clock = clock;
    this.#size = size;
  }

  /** `ttlMs` says for how long a found value counts; 0 keeps nothing. */
  async get(key: string, ttlMs: (value: T) => number, find: () => Promise<T>): Promise<T> {
    const entry = this.#entries.get(key);
    if (entry !== undefined) {
      this.#entries.delete(key);
      if (entry.until > this.#clock.now()) {
        this.#entries.set(key, entry);
        return entry.value;
      }
    }
    const pending = this.#pending.get(key);
    if (pending !== undefined) return pending;
    const started = find();
    this.#pending.set(key, started);
    try {
      const value = await started;
      const ttl = ttlMs(value);
      if (ttl > 0) this.#keep(key, { value, until: this.#clock.now() + ttl });
      return value;
    } finally {
      this.#pending.delete(key);
    }
  }

  drop(key: string): void {
    this.#entries.delete(key);
  }

  /** Look-ups on their way. */
  get pending(): number {
    return this.#pending.size;
  }

  #keep(key: string, entry: Entry<T>): void {
    this.#entries.set(key, entry);
    if (this.#entries.size <= this.#size) return;
    const oldest = this.#entries.keys().next();
    if (oldest.done !== true) this.#entries.delete(oldest.value);
  }
}
