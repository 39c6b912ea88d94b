import type { Clock, Environment } from '../environment.ts';

/** What goes wrong with messages on their way through the in-process broker. Answers are messages too. */
export interface Faults {
  /** The share, 0 to 1, that is gone without a trace: the sender of a cast is told that the broker has it. */
  readonly lose?: number;
  /** The share, 0 to 1, that is delivered twice. */
  readonly double?: number;
  /** Messages wait a random time up to this; milliseconds. Different waits reorder. */
  readonly delayMs?: number;
  /** The share, 0 to 1, that is overtaken by the next message of its queue. */
  readonly reorder?: number;
  /** How long a message waits at most to be overtaken; milliseconds. Default 10. */
  readonly reorderMs?: number;
}

const REORDER_MS = 10;

const SHARES = ['lose', 'double', 'reorder'] as const;
const TIMES = ['delayMs', 'reorderMs'] as const;

/** @throws TypeError for a share that is not within 0 and 1, or a time below 0. */
export function checkFaults(faults: Faults): Faults {
  for (const name of SHARES) {
    const share = faults[name] ?? 0;
    if (!(share >= 0 && share <= 1)) throw new TypeError(`faults.${name}: expected a share from 0 to 1, got ${share}`);
  }
  for (const name of TIMES) {
    const ms = faults[name] ?? 0;
    if (!(ms >= 0)) throw new TypeError(`faults.${name}: expected milliseconds of at least 0, got ${ms}`);
  }
  return faults;
}

/** Decides what becomes of each message on its way into its queue. */
export class FaultyWay {
  readonly #clock: Clock;
  readonly #random: Environment['random'];
  /** Per queue, those that wait to be overtaken. */
  readonly #held = new WeakMap<object, (() => void)[]>();

  constructor({ clock, random }: Pick<Environment, 'clock' | 'random'>) {
    this.#clock = clock;
    this.#random = random;
  }

  /** How many times the message arrives. */
  copies({ lose = 0, double = 0 }: Faults): number {
    if (this.#happens(lose)) return 0;
    return this.#happens(double) ? 2 : 1;
  }

  /** Calls `put` now or later. False when it was called now and refused. */
  bring(faults: Faults, queue: object, put: () => boolean): boolean {
    const { delayMs = 0, reorder = 0, reorderMs = REORDER_MS } = faults;
    if (delayMs > 0) {
      this.#clock.after(this.#random.next() * delayMs, put);
      return true;
    }
    if (this.#happens(reorder)) {
      this.#hold(queue, put, reorderMs);
      return true;
    }
    const taken = put();
    const held = this.#held.get(queue) ?? [];
    this.#held.delete(queue);
    for (const release of held) release();
    return taken;
  }

  #hold(queue: object, put: () => boolean, ms: number): void {
    const held = this.#held.get(queue) ?? [];
    this.#held.set(queue, held);
    const release = () => {
      cancel();
      put();
    };
    const cancel = this.#clock.after(ms, () => {
      held.splice(held.indexOf(release), 1);
      put();
    });
    held.push(release);
  }

  #happens(share: number): boolean {
    return share > 0 && this.#random.next() < share;
  }
}
