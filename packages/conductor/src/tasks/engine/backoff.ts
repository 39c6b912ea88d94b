import type { Random } from '@kilonova/runtime';

/** Doubles from `minMs` to `maxMs`; the upper half of each wait is drawn, so that many do not come back together. */
export function backoff(attempts: number, bounds: { readonly minMs: number; readonly maxMs: number }, random: Random): number {
  const whole = Math.min(bounds.maxMs, bounds.minMs * 2 ** Math.min(attempts, 30));
  return whole / 2 + (whole / 2) * random.next();
}
