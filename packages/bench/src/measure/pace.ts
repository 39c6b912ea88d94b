import type { Clock } from '@kilonova/runtime';

export type Pacing = Pick<Clock, 'monotonic' | 'sleep'>;

/**
 * Does something again and again until `signal` is aborted: it begins at most every so many milliseconds, and never before the last one is
 * done. What it does is told when it began, by the clock's monotonic time.
 */
export async function paced(everyMs: number, clock: Pacing, signal: AbortSignal, act: (began: number) => Promise<void>): Promise<void> {
  while (!signal.aborted) {
    const began = clock.monotonic();
    await act(began);
    const rest = everyMs - (clock.monotonic() - began);
    if (rest > 0) await clock.sleep(rest, signal).catch(() => undefined);
  }
}
