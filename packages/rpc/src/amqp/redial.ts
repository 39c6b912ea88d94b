// When a connection that is gone is dialled again. A process by itself tries soon, and less and less often. Where
// thousands lose the same broker and a broker serves a hundred or two a second, they must not come at once: those whose
// handshake is not served in time only cost it more. So such processes spread over a time that fits their number.
import type { Random } from '../environment.ts';
import { codeOf } from './refusals.ts';

export interface RedialSettings {
  /** How many addresses are tried in turn. */
  readonly addresses: number;
  /** Milliseconds. */
  readonly retryBaseMs: number;
  /** Milliseconds. */
  readonly retryCapMs: number;
}

/** Nobody listens there, which costs nobody anything. */
const ABSENT = new Set<unknown>(['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH']);
const MOST_DOUBLINGS = 30;
/** Shorter than this is no wait, when the time for a start is nearly over; milliseconds. */
const LEAST_MS = 100;

export class Redial {
  readonly #settings: RedialSettings;
  readonly #random: Pick<Random, 'next'>;
  /** Attempts since the last success. */
  #failures = 0;
  /** Of those, the last ones in a row that found nobody. */
  #absent = 0;

  /** Processes like this one come back over so long; milliseconds. */
  spreadMs = 0;

  constructor(settings: RedialSettings, random: Pick<Random, 'next'>) {
    this.#settings = settings;
    this.#random = random;
  }

  /** There is a connection. */
  succeeded(): void {
    this.#failures = 0;
    this.#absent = 0;
  }

  /** How long to wait since the connection was lost: each process has a moment of its own within the spread. */
  lost(): number {
    return Math.max(this.#backoffMs(), this.#random.next() * this.spreadMs);
  }

  /**
   * How long to wait after an attempt that failed. While there is no broker everybody keeps its moment, so that they still come evenly
   * when it returns, whenever that is.
   *
   * @param leftMs for a process that starts, until it gives up: its waits get shorter towards the end, so that a broker which comes
   *   back before that is met
   */
  failed(cause: unknown, leftMs = Infinity): number {
    this.#absent = ABSENT.has(codeOf(cause)) ? this.#absent + 1 : 0;
    const absentEverywhere = this.#absent > 0 && this.#absent % this.#settings.addresses === 0;
    return Math.max(this.#backoffMs(leftMs / 2), absentEverywhere ? this.spreadMs : 0);
  }

  /** Doubled each time, with full jitter. */
  #backoffMs(mostMs = Infinity): number {
    const { retryBaseMs, retryCapMs } = this.#settings;
    const grownMs = Math.min(retryCapMs, retryBaseMs * 2 ** Math.min(this.#failures++, MOST_DOUBLINGS));
    return this.#random.next() * Math.min(grownMs, Math.max(LEAST_MS, mostMs));
  }

  get failures(): number {
    return this.#failures;
  }
}
