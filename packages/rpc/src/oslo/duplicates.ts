import type { Clock } from '../environment.ts';

/** Of the order, so many forgotten entries are kept before it is cut. */
const SLACK = 1_024;

/** Recognises what it has seen before, for a while and up to a number; the oldest are forgotten first. */
export class Duplicates {
  readonly #clock: Clock;
  readonly #size: number;
  readonly #ageMs: number;
  readonly #seen = new Map<string, number>();
  // In the order of arrival, beside the map: one that loses its oldest all the time must step over all it has lost to
  // find the next.
  #ids: string[] = [];
  #times: number[] = [];
  #oldest = 0;

  constructor(clock: Clock, size: number, ageMs: number) {
    this.#clock = clock;
    this.#size = size;
    this.#ageMs = ageMs;
  }

  /** True when it was here before; else it is remembered from now on. */
  has(id: string): boolean {
    const now = this.#clock.monotonic();
    while (this.#oldest < this.#ids.length && now - (this.#times[this.#oldest] as number) > this.#ageMs) this.#drop();
    if (this.#seen.has(id)) return true;
    this.#seen.set(id, now);
    this.#ids.push(id);
    this.#times.push(now);
    if (this.#ids.length - this.#oldest > this.#size) this.#drop();
    return false;
  }

  /** It was handed back and may come again. */
  forget(id: string): void {
    this.#seen.delete(id);
  }

  #drop(): void {
    const id = this.#ids[this.#oldest] as string;
    // One that was handed back and came again stands at two places, of which this may be the former.
    if (this.#seen.get(id) === this.#times[this.#oldest]) this.#seen.delete(id);
    if (++this.#oldest < SLACK || this.#oldest * 2 < this.#ids.length) return;
    this.#ids = this.#ids.slice(this.#oldest);
    this.#times = this.#times.slice(this.#oldest);
    this.#oldest = 0;
  }
}
