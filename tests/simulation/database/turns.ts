/**
 * One statement at a time reaches the database, in an order that the seed draws, and one answer at a time comes back. A
 * statement that waits for a lock steps aside until whoever holds it went on. So the database, with its own processes and
 * its own clock, becomes a part of the simulation that repeats; and time stands still until no statement is under way.
 */
import type { Random } from '@kilonova/runtime';
import type { Quiet } from '../quiet.ts';

/** One statement, or the opening of a connection. */
export interface Turn {
  /** Which backend does it; undefined as long as it has none. */
  readonly pid: () => number | undefined;
  /** Does it in the real database; never rejects. */
  readonly run: () => Promise<void>;
  /** Hands the outcome to whoever waits. */
  readonly deliver: () => void;
}

interface Running {
  over: boolean;
  readonly end: Promise<void>;
}

/** How long a statement is waited for before somebody looks whether it waits for a lock; real milliseconds. */
const LOOK_MS = 2;
/** How long statements may all wait for each other: the database ends a deadlock long before. */
const STUCK_MS = 15_000;

export class Turns {
  /** Statements that were done. */
  done = 0;
  /** Times that a statement was seen waiting for a lock. */
  blocked = 0;
  readonly #random: Random;
  readonly #quiet: Quiet;
  readonly #blocked: (pids: readonly number[]) => Promise<ReadonlySet<number>>;
  readonly #ready: Turn[] = [];
  readonly #held: Promise<unknown>[] = [];
  readonly #running = new Map<Turn, Running>();

  constructor(parts: {
    readonly random: Random;
    readonly quiet: Quiet;
    /** Which of these backends wait for a lock. */
    readonly blocked: (pids: readonly number[]) => Promise<ReadonlySet<number>>;
  }) {
    this.#random = parts.random;
    this.#quiet = parts.quiet;
    this.#blocked = parts.blocked;
  }

  /** Nothing goes on before this is done: something that the world outside does. */
  hold<T>(work: Promise<T>): Promise<T> {
    this.#quiet.stir();
    this.#held.push(work);
    return work;
  }

  take(turn: Turn): void {
    this.#quiet.stir();
    this.#ready.push(turn);
  }

  /** Forgets a turn: whoever took it is dead. */
  drop(turn: Turn): void {
    const index = this.#ready.indexOf(turn);
    if (index >= 0) this.#ready.splice(index, 1);
    this.#running.delete(turn);
  }

  /** Settles when nothing is under way any more, in the database or in this process. */
  async idle(): Promise<void> {
    for (;;) {
      await this.#quiet.settled();
      if (this.#held.length > 0) {
        await Promise.all(this.#held.splice(0));
        continue;
      }
      const next = this.#draw();
      if (next !== undefined) this.#start(next);
      else if (this.#running.size === 0) return;
      await this.#halted(next === undefined);
      for (const [turn, state] of [...this.#running]) {
        if (!state.over || !this.#running.delete(turn)) continue;
        this.done += 1;
        turn.deliver();
        await this.#quiet.settled();
      }
    }
  }

  #draw(): Turn | undefined {
    const [turn] = this.#ready.splice(Math.floor(this.#random.next() * this.#ready.length), 1);
    return turn;
  }

  #start(turn: Turn): void {
    const end = turn.run().then(() => void (state.over = true));
    const state: Running = { over: false, end };
    this.#running.set(turn, state);
  }

  /** Settles when every statement is over or waits for a lock; `must`: and one is over. */
  async #halted(must: boolean): Promise<void> {
    const began = performance.now();
    for (let looks = 0; ; looks += 1) {
      await this.#awhile();
      const waiting = this.#waiting();
      if (waiting.length === 0) return;
      const blocked = await this.#blocked(waiting.map((turn) => turn.pid()).filter((pid) => pid !== undefined));
      // One that ended during the look may have set another one free.
      if (this.#waiting().length < waiting.length) continue;
      if (waiting.every((turn) => blocked.has(turn.pid() ?? -1))) {
        if (looks === 0) this.blocked += 1;
        if (!must || waiting.length < this.#running.size) return;
      }
      if (performance.now() - began > STUCK_MS)
        throw new Error('statements wait for locks that nobody gives back: a transaction waits for time');
    }
  }

  /** Until all are over, for a short while. */
  async #awhile(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((settle) => (timer = setTimeout(settle, LOOK_MS)));
    await Promise.race([Promise.all([...this.#running.values()].map(({ end }) => end)), late]);
    clearTimeout(timer);
  }

  #waiting(): readonly Turn[] {
    return [...this.#running].filter(([, { over }]) => !over).map(([turn]) => turn);
  }
}
