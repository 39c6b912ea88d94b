import { setMaxListeners } from 'node:events';
import type { Clock } from '@kilonova/runtime';

/** A signal that is aborted after a time, or with another signal, until it is ended. */
export interface Deadline {
  readonly signal: AbortSignal;
  /** Lets go of the timer and of the other signal. */
  end(): void;
}

/**
 * Not AbortSignal.any with AbortSignal.timeout: nothing holds the latter, and one that is collected never fires, so that
 * a loop which only looks at `aborted` goes on for ever.
 */
export function deadlineIn(ms: number, clock: Pick<Clock, 'after'>, also?: AbortSignal): Deadline {
  const controller = new AbortController();
  // As many wait for it as work at the same time.
  setMaxListeners(0, controller.signal);
  const onAbort = () => controller.abort(also?.reason);
  if (also?.aborted === true) onAbort();
  also?.addEventListener('abort', onAbort, { once: true });
  const cancel = clock.after(ms, () => controller.abort(new Error(`not done within ${ms} ms`)));
  return {
    signal: controller.signal,
    end() {
      cancel();
      also?.removeEventListener('abort', onAbort);
    },
  };
}
