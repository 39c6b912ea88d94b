import type { VirtualClock } from '@kilonova/rpc';
import { createMetrics, type Clock, type Logger, type Random, seededRandom, type Surroundings } from '@kilonova/runtime';
import type { Quiet } from '../quiet.ts';
import type { Trace } from '../trace.ts';

interface LifeParts {
  readonly clock: VirtualClock;
  readonly quiet: Quiet;
  readonly trace: Trace;
  /** Of its randomness. */
  readonly seed: number;
  /** How far its wall clock is off; milliseconds. */
  readonly skewMs?: number;
  /** An event that was logged as an error. */
  readonly onError: (event: string) => void;
}

/** One process from its start to its crash: after that no timer of it fires, and nothing it waits for comes. */
export class Life {
  readonly name: string;
  readonly surroundings: Surroundings;
  alive = true;
  /** What came while it stood still, in order. */
  #held: (() => void)[] | undefined;
  readonly #trace: Trace;
  readonly #onError: (event: string) => void;
  readonly #timers = new Set<() => void>();

  constructor(name: string, { clock, quiet, trace, seed, skewMs = 0, onError }: LifeParts) {
    this.name = name;
    this.#trace = trace;
    this.#onError = onError;
    this.surroundings = {
      clock: this.#clock(clock, quiet, skewMs),
      random: seededRandom(seed),
      log: this.#log({}),
      metrics: createMetrics(name, { ofProcess: false }),
    };
  }

  get clock(): Clock {
    return this.surroundings.clock;
  }

  get random(): Random {
    return this.surroundings.random;
  }

  note(what: string): void {
    this.#trace.note(this.name, what);
  }

  /** Stands still, as after SIGSTOP: what comes waits. */
  pause(): void {
    this.note('stands still');
    this.#held ??= [];
  }

  resume(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    if (!this.alive) return;
    this.note('goes on');
    for (const act of held) this.reach(act);
  }

  /** Does something in this process, as soon as it goes on. */
  reach(act: () => void): void {
    if (!this.alive) return;
    if (this.#held === undefined) act();
    else this.#held.push(act);
  }

  die(): void {
    this.alive = false;
    this.#held = undefined;
    for (const cancel of this.#timers) cancel();
    this.#timers.clear();
  }

  #clock(clock: VirtualClock, quiet: Quiet, skewMs: number): Clock {
    const after = (ms: number, act: () => void): (() => void) => {
      if (!this.alive) return () => undefined;
      let dropped = false;
      const fire = () => {
        this.#timers.delete(drop);
        if (dropped) return;
        quiet.stir();
        act();
      };
      const cancel = clock.after(ms, () => this.reach(fire));
      const drop = () => {
        dropped = true;
        this.#timers.delete(drop);
        cancel();
      };
      this.#timers.add(drop);
      return drop;
    };
    return {
      now: () => clock.now() + skewMs,
      monotonic: () => clock.monotonic(),
      after,
      sleep: (ms, signal) =>
        new Promise((resolve, reject) => {
          if (signal?.aborted === true) return reject(signal.reason as Error);
          const onAbort = () => {
            cancel();
            reject(signal?.reason as Error);
          };
          const cancel = after(ms, () => {
            signal?.removeEventListener('abort', onAbort);
            resolve();
          });
          signal?.addEventListener('abort', onAbort, { once: true });
        }),
    };
  }

  #log(bound: object): Logger {
    const tell = (level: string) => (fields: object, event: string) => {
      if (!this.alive || level === 'debug') return;
      const text = `${level} ${event} ${textOf({ ...bound, ...fields })}`;
      this.note(text);
      if (level === 'error') this.#onError(`${this.name}: ${text}`);
    };
    return {
      debug: tell('debug'),
      info: tell('info'),
      warn: tell('warn'),
      error: tell('error'),
      child: (fields) => this.#log({ ...bound, ...fields }),
    };
  }
}

const textOf = (fields: object): string =>
  JSON.stringify(fields, (_key, value: unknown) => (value instanceof Error ? value.message : value)) ?? '';
