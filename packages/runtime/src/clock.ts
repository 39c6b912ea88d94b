import { setTimeout as sleepOnTimer } from 'node:timers/promises';

/** Time is handed in (design rule 5): no service reads a clock of its own. */
export interface Clock {
  /** Wall clock, milliseconds since the epoch. */
  now(): number;
  /** Never goes back; milliseconds from an arbitrary start. For durations. */
  monotonic(): number;
  /** Runs `act` once after `ms`; the returned function cancels it. */
  after(ms: number, act: () => void): () => void;
  /** Settles after `ms`; rejects with the signal's reason when aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(ms, act) {
    const timer = setTimeout(act, ms);
    return () => clearTimeout(timer);
  },
  sleep: (ms, signal) => sleepOnTimer(ms, undefined, signal === undefined ? {} : { signal }),
};
