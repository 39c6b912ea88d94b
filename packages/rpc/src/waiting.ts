import { Busy, Unreachable } from './errors.ts';
import type { Clock } from './environment.ts';
import type { Transport } from './transport.ts';

/** Of a transport that its owner closed: there is nothing to wait for. */
export const closedError = () => new Unreachable('this transport is closed');

/** Settles when the transport is connected. @throws Unreachable after `ms` or when it is closed, or the signal's reason. */
export function whenConnected(
  transport: Pick<Transport, 'connected' | 'closed' | 'environment' | 'onChange'>,
  ms: number,
  signal?: AbortSignal,
): Promise<void> {
  if (signal?.aborted === true) return Promise.reject(signal.reason);
  if (transport.closed.aborted) return Promise.reject(closedError());
  if (transport.connected) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const settle = (act: () => void) => {
      cancel();
      forget();
      signal?.removeEventListener('abort', onAbort);
      act();
    };
    const onAbort = () => settle(() => reject(signal?.reason));
    signal?.addEventListener('abort', onAbort, { once: true }); // before there is a timer, for it may throw
    const cancel = transport.environment.clock.after(ms, () =>
      settle(() => reject(new Unreachable(`no connection to the broker for ${ms} ms`, { waitedMs: ms }))),
    );
    const forget = transport.onChange((connected) => {
      if (connected) settle(resolve);
    });
  });
}

/**
 * Settles when the transport is connected and the broker takes messages.
 *
 * @throws Unreachable after `ms` without a connection, Busy after `ms` of a broker that blocks, or the signal's reason.
 */
export async function whenWritable(transport: Transport, ms: number, signal?: AbortSignal): Promise<void> {
  await whenConnected(transport, ms, signal);
  if (transport.blocked === undefined) return;
  await new Promise<void>((resolve, reject) => {
    const settle = (act: () => void) => {
      cancel();
      forget();
      signal?.removeEventListener('abort', onAbort);
      act();
    };
    const onAbort = () => settle(() => reject(signal?.reason));
    signal?.addEventListener('abort', onAbort, { once: true });
    const cancel = transport.environment.clock.after(ms, () => settle(() => reject(blockedError(transport, ms))));
    const forget = transport.onUnblocked(() => settle(resolve));
  });
}

export const blockedError = (transport: Transport, ms: number) =>
  new Busy(`the broker has taken no messages for ${ms} ms: ${transport.blocked ?? 'not connected'}`, { waitedMs: ms });

/** A timer that is later than this was held up by its own process; milliseconds. */
const HELD_UP_MS = 50;
/** For reading what came meanwhile; milliseconds. */
const READ_MS = 20;

/**
 * As `clock.after`, for a verdict on the silence of others. When this process itself was held up (a blocked event loop),
 * what they said meanwhile is still in the socket: it is read before the verdict.
 */
export function afterHearing(clock: Clock, ms: number, act: () => void): () => void {
  const endsAt = clock.monotonic() + ms;
  let cancel = clock.after(ms, () => {
    if (clock.monotonic() - endsAt < HELD_UP_MS) act();
    else cancel = clock.after(READ_MS, act);
  });
  return () => cancel();
}

/** The outcome of `work`, or a failure after `ms`. */
export function within<T>(clock: Clock, ms: number, work: Promise<T>, late: () => Error): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = afterHearing(clock, ms, () => reject(late()));
    work.then(resolve, reject).finally(cancel);
  });
}
