import type { Clock } from '../environment.ts';

/** Recognises what it has seen before, for a while and up to a number; the oldest are forgotten first. */
export class Duplicates {
  readonly #clock: Clock;
  readonly #size: number;
  readonly #ageMs: number;
  /** In the order of arrival. */
  readonly #seen = new Map<string, number>();

  constructor(clock: Clock, size: number, ageMs: number) {
    this.#clock = clock;
    this.#size = size;
    this.#ageMs = ageMs;
  }

  /** True when it was here before; else it is remembered from now on. */
  has(id: string): boolean {
    const now = this.#clock.monotonic();
    for (const [oldest, at] of this.#seen) {
      if (now - at <= this.#ageMs) break;
      this.#seen.delete(oldest);
    }
    if (this.#seen.has(id)) return true;
    this.#seen.set(id, now);
    const [oldest] = this.#seen.keys();
    if (this.#seen.size > this.#size && oldest !== undefined) this.#seen.delete(oldest);
    return false;
  }

  /** It was handed back and may come again. */
  forget(id: string): void {
    this.#seen.delete(id);
  }
}
