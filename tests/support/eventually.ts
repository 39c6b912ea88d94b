import { inspect } from 'node:util';
import { setTimeout as pause } from 'node:timers/promises';

export interface EventuallyOptions {
  readonly timeoutMs?: number;
  readonly everyMs?: number;
  /** For the error: what was waited for. */
  readonly what?: string;
}

/**
 * Asks `read` until `accept` takes its value, and returns that. A read that throws is asked again. At the deadline: an
 * error with the last value or the last failure. `accept` defaults to: is neither undefined, null nor false.
 */
export async function eventually<T>(
  read: () => T | Promise<T>,
  accept: (value: T) => boolean = (value) => value !== undefined && value !== null && value !== false,
  { timeoutMs = 10_000, everyMs = 50, what = 'the awaited value' }: EventuallyOptions = {},
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  let last: { readonly value: unknown } | { readonly failure: unknown } = { value: 'nothing was read' };
  for (;;) {
    try {
      const value = await read();
      if (accept(value)) return value;
      last = { value };
    } catch (failure) {
      last = { failure };
    }
    if (performance.now() >= deadline) break;
    await pause(Math.min(everyMs, Math.max(0, deadline - performance.now())));
  }
  const [kind, seen] = 'failure' in last ? ['failure', last.failure] : ['value', last.value];
  throw new Error(`${what} did not come within ${timeoutMs} ms; the last ${kind}: ${inspect(seen, { depth: 6, breakLength: 120 })}`, {
    cause: 'failure' in last ? last.failure : undefined,
  });
}
