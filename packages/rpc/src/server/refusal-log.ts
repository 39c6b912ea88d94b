import type { Clock, Logger } from '../environment.ts';

const SECOND_MS = 1_000;
/** Accounts that are told apart; the broker makes them, not their holders. */
const ACCOUNTS = 10_000;

interface Told {
  /** On the monotonic clock. */
  since: number;
  lines: number;
  /** Not logged since the last line. */
  more: number;
}

/** Warns of what was refused, with the account; an account that is refused again and again gets so many lines a second. All are counted elsewhere. */
export class RefusalLog {
  readonly #log: Logger;
  readonly #clock: Clock;
  readonly #linesPerSecond: number;
  readonly #told = new Map<string, Told>();

  constructor(log: Logger, clock: Clock, linesPerSecond: number) {
    this.#log = log;
    this.#clock = clock;
    this.#linesPerSecond = linesPerSecond;
  }

  warn(fields: { readonly caller: string } & Readonly<Record<string, unknown>>, what: string): void {
    const told = this.#of(fields.caller);
    const now = this.#clock.monotonic();
    if (now - told.since >= SECOND_MS) Object.assign(told, { since: now, lines: 0 });
    if (told.lines >= this.#linesPerSecond) {
      told.more += 1;
      return;
    }
    told.lines += 1;
    this.#log.warn(told.more === 0 ? fields : { ...fields, unlogged: told.more }, what);
    told.more = 0;
  }

  #of(caller: string): Told {
    let told = this.#told.get(caller);
    if (told === undefined) {
      if (this.#told.size >= ACCOUNTS) this.#told.clear();
      this.#told.set(caller, (told = { since: Number.NEGATIVE_INFINITY, lines: 0, more: 0 }));
    }
    return told;
  }
}
