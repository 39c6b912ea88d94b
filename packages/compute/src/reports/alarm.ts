import type { Clock, Random } from '@kilonova/runtime';

/** A wait that can be cut short. Only one waits at a time. */
export class Alarm {
  readonly #clock: Clock;
  #rung = false;
  #closed = false;
  #wake: (() => void) | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Settles after `ms`, or when rung (also when that was before), or when closed. */
  async wait(ms: number): Promise<void> {
    if (!this.#rung && !this.#closed && ms > 0) {
      await new Promise<void>((resolve) => {
        const cancel = ms === Infinity ? () => {} : this.#clock.after(ms, () => this.#wake?.());
        this.#wake = () => {
          cancel();
          resolve();
        };
      });
      this.#wake = undefined;
    }
    this.#rung = false;
  }

  ring(): void {
    this.#rung = true;
    this.#wake?.();
  }

  close(): void {
    this.#closed = true;
    this.#wake?.();
  }
}

/** A tenth more or less, so that what began together does not stay together. */
export const aboutMs = (ms: number, random: Random): number => ms * (0.9 + random.next() / 5);

/** Exponential with full jitter: anything from 0 to the doubled base, up to the cap. `attempts` made so far, from 1. */
export const backoffMs = (
  limits: { readonly retryBaseMs: number; readonly retryCapMs: number },
  attempts: number,
  random: Random,
): number => random.next() * Math.min(limits.retryCapMs, limits.retryBaseMs * 2 ** Math.min(attempts, 30));
