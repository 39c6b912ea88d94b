// What a server did lately, so that a message that comes again (redelivered after a broken connection, or sent again by a
// caller that heard nothing) is not done again. The memory is the process's own: what comes again to another server is
// unknown there.
import type { Clock } from '../environment.ts';
import type { Delivery } from '../transport.ts';

/** How much a server remembers. */
export interface DuplicateLimits {
  /** For how long; milliseconds. Default 60 000. */
  readonly windowMs?: number;
  /** How many requests; the oldest are forgotten. Default 10 000. */
  readonly entries?: number;
  /** Bytes of answers; the oldest are forgotten, and one that is larger is not remembered. Default 8 MiB. */
  readonly bytes?: number;
}

const DEFAULTS: Required<DuplicateLimits> = { windowMs: 60_000, entries: 10_000, bytes: 8_388_608 };

/** @throws TypeError naming the limit that cannot work */
export function duplicateLimits(topic: string, given: DuplicateLimits): Required<DuplicateLimits> {
  const limits: Required<DuplicateLimits> = { ...DEFAULTS, ...given };
  for (const name of ['windowMs', 'entries', 'bytes'] as const) {
    if (!(limits[name] > 0)) throw new TypeError(`duplicates.${name} of ${topic}: expected a number above 0, got ${limits[name]}`);
  }
  return limits;
}

interface Done {
  readonly answer: Buffer | undefined;
  readonly forgetAt: number;
}

/** What is known of a message: it is the first, it was left with the one in work, or it was done, with this answer. */
export type Met = 'new' | 'joined' | { readonly answer: Buffer | undefined };

export class AnswerMemory {
  readonly #clock: Clock;
  readonly #limits: Required<DuplicateLimits>;
  /** Those that came while the first was in work; they end with it. */
  readonly #working = new Map<string, Delivery[]>();
  /** The oldest first. */
  readonly #done = new Map<string, Done>();
  #bytes = 0;

  constructor(clock: Clock, limits: Required<DuplicateLimits>) {
    this.#clock = clock;
    this.#limits = limits;
  }

  meet(delivery: Delivery): Met {
    const key = keyOf(delivery);
    if (key === undefined) return 'new';
    const joined = this.#working.get(key);
    if (joined !== undefined) {
      joined.push(delivery);
      return 'joined';
    }
    this.#forgetOld();
    const done = this.#done.get(key);
    if (done !== undefined) return done;
    this.#working.set(key, []);
    return 'new';
  }

  /** The first was done, with the answer that its caller was given. Gives those that end with it. */
  done(delivery: Delivery, answer: Buffer | undefined): readonly Delivery[] {
    const joined = this.forget(delivery);
    const key = keyOf(delivery);
    const bytes = answer?.length ?? 0;
    if (key === undefined || bytes > this.#limits.bytes) return joined;
    this.#bytes += bytes;
    this.#done.set(key, { answer, forgetAt: this.#clock.monotonic() + this.#limits.windowMs });
    this.#forgetOld();
    return joined;
  }

  /** The first was not done after all. Gives those that end with it. */
  forget(delivery: Delivery): readonly Delivery[] {
    const key = keyOf(delivery);
    const joined = key === undefined ? undefined : this.#working.get(key);
    if (key !== undefined) this.#working.delete(key);
    return joined ?? [];
  }

  #forgetOld(): void {
    const now = this.#clock.monotonic();
    for (const [key, { answer, forgetAt }] of this.#done) {
      if (forgetAt > now && this.#done.size <= this.#limits.entries && this.#bytes <= this.#limits.bytes) return;
      this.#done.delete(key);
      this.#bytes -= answer?.length ?? 0;
    }
  }
}

/** An account cannot speak of another's messages. */
const keyOf = ({ userId, correlationId }: Delivery): string | undefined =>
  correlationId === undefined ? undefined : `${userId} ${correlationId}`;
