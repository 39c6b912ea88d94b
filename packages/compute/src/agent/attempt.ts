import type { Clock } from '@kilonova/runtime';

/** How a driver call went. */
export type Attempt<T> =
  | { readonly kind: 'done'; readonly value: T }
  | { readonly kind: 'failed'; readonly error: Error }
  /** It did not end although it was aborted; it may still act later, which `late` tells. */
  | { readonly kind: 'abandoned'; readonly error: Error; readonly late: Promise<unknown> };

export interface AttemptLimits {
  readonly clock: Clock;
  /** From now; 0 does not begin. */
  readonly allowedMs: number;
  /** How long it may go on after the abort. */
  readonly abortWaitMs: number;
  /** Aborts it as well. */
  readonly signal: AbortSignal;
}

/** The driver did not finish within the time the order allowed. */
export class OutOfTime extends Error {
  override readonly name = 'OutOfTime';
}

/** Calls a driver and waits for a bounded time, whatever the driver does. A result that comes after the abort still counts. */
export async function attempt<T>(limits: AttemptLimits, act: (signal: AbortSignal) => Promise<T>): Promise<Attempt<T>> {
  const { clock, allowedMs, abortWaitMs, signal: outer } = limits;
  if (outer.aborted) return { kind: 'failed', error: outer.reason as Error };
  if (allowedMs <= 0) return { kind: 'failed', error: new OutOfTime('no time was left to begin') };
  const ends: (() => void)[] = [];
  const inner = new AbortController();
  try {
    const given = new Promise<Attempt<T>>((resolve) => {
      const abort = (reason: Error) => {
        if (inner.signal.aborted) return;
        inner.abort(reason);
        ends.push(clock.after(abortWaitMs, () => resolve({ kind: 'abandoned', error: reason, late: called.catch(() => undefined) })));
      };
      const onOuter = () => abort(outer.reason as Error);
      outer.addEventListener('abort', onOuter, { once: true });
      ends.push(
        () => outer.removeEventListener('abort', onOuter),
        clock.after(allowedMs, () => abort(new OutOfTime(`not finished within ${Math.round(allowedMs)} ms`))),
      );
    });
    const called = Promise.resolve().then(() => act(inner.signal));
    const ended = called.then(
      (value): Attempt<T> => ({ kind: 'done', value }),
      (error: unknown): Attempt<T> => ({ kind: 'failed', error: error instanceof Error ? error : new Error(String(error)) }),
    );
    return await Promise.race([ended, given]);
  } finally {
    for (const end of ends) end();
  }
}
