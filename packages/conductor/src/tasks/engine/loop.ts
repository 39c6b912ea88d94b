import type { Clock, Logger } from '@kilonova/runtime';

/** Something done again and again, with a pause in between; one that goes wrong is logged and tried again. */
export class Loop {
  readonly #stopping = new AbortController();
  readonly #done: Promise<void>;

  constructor(
    name: string,
    everyMs: number,
    surroundings: { readonly clock: Clock; readonly log: Logger },
    act: (signal: AbortSignal) => Promise<void>,
  ) {
    this.#done = this.#run(name, everyMs, surroundings, act);
  }

  async #run(
    name: string,
    everyMs: number,
    { clock, log }: { clock: Clock; log: Logger },
    act: (signal: AbortSignal) => Promise<void>,
  ): Promise<void> {
    const { signal } = this.#stopping;
    let failing = false;
    while (!signal.aborted) {
      try {
        await act(signal);
        failing = false;
      } catch (error) {
        // Once per outage, not once per round.
        if (!failing) log.warn({ loop: name, error: String(error) }, 'loop failing');
        failing = true;
      }
      await clock.sleep(everyMs, signal).catch(() => undefined);
    }
  }

  /** Settles when the round under way is over. */
  stop(): Promise<void> {
    this.#stopping.abort();
    return this.#done;
  }
}
