import { createHash } from 'node:crypto';

interface TraceOptions {
  /** Events that `tail` keeps. */
  readonly keep: number;
  /** A folder that has another name in every run. */
  readonly hide: string;
  readonly tell?: (line: string) => void;
}

/** What happened, in order. Two runs under one seed are the same when their hashes are. */
export class Trace {
  events = 0;
  /** The last ones as text, for a failure. */
  readonly tail: string[] = [];
  readonly #hash = createHash('sha256');
  readonly #now: () => number;
  readonly #options: TraceOptions;

  constructor(now: () => number, options: TraceOptions) {
    this.#now = now;
    this.#options = options;
  }

  note(who: string, what: string): void {
    const { keep, hide, tell } = this.#options;
    const line = `${this.#now().toFixed(3)} ${who} ${what}`.replaceAll(hide, '~');
    this.events += 1;
    this.#hash.update(line).update('\n');
    tell?.(line);
    this.tail.push(line);
    if (this.tail.length > keep) this.tail.shift();
  }

  /** Of all events so far. */
  get digest(): string {
    return this.#hash.copy().digest('hex');
  }
}

/** A short mark of a long text. */
export const markOf = (text: string | Buffer): string => createHash('sha256').update(text).digest('hex').slice(0, 12);
