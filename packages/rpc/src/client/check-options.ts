// What a caller may say beside a request goes to timers, to the broker and to listeners, which fail later, elsewhere, and for
// others too. So it is looked at before anything is begun.
import { checkWait, shown } from '../options.ts';
import type { CallOptions } from './client.ts';

/** @throws TypeError that says which option, what is allowed and what was found */
export function checkCallOptions(
  what: string,
  { timeoutMs, context, signal }: Pick<CallOptions, 'timeoutMs' | 'context' | 'signal'>,
): void {
  checkSignal(what, signal);
  checkWait(`${what}: timeoutMs`, timeoutMs);
  const deadline: unknown = context?.deadline;
  if (context !== undefined && (typeof deadline !== 'number' || Number.isNaN(deadline)))
    throw new TypeError(`${what}: context.deadline: expected milliseconds since the epoch, or Infinity, got ${shown(deadline)}`);
}

/** Told by what is done with it: there are AbortSignals of other realms. @throws TypeError */
export function checkSignal(what: string, signal: unknown): void {
  if (signal === undefined || signal === null) return;
  const { aborted, addEventListener, removeEventListener } = signal as Partial<AbortSignal>;
  if (typeof aborted !== 'boolean' || typeof addEventListener !== 'function' || typeof removeEventListener !== 'function')
    throw new TypeError(`${what}: signal: expected an AbortSignal, got ${shown(signal)}`);
}
