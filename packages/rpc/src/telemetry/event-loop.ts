import type { Environment } from '../environment.ts';

/** Looks per limit: what is reported is at most a quarter too short. */
const LOOKS = 4;

/**
 * Reports whenever the event loop did not come round for `limitMs`: nothing is answered in such a time, and for two
 * heartbeats of it the broker would take the process for dead. Seen by a timer that comes late, so it is told afterwards.
 * The returned function ends it.
 */
export function watchEventLoop({ clock, log, metrics }: Environment, limitMs: number): () => void {
  if (limitMs === Number.POSITIVE_INFINITY) return () => undefined;
  const lookMs = Math.max(1, limitMs / LOOKS);
  let cancel: () => void;
  const look = () => {
    const dueAt = clock.monotonic() + lookMs;
    cancel = clock.after(lookMs, () => {
      const blockedMs = Math.round(clock.monotonic() - dueAt);
      if (blockedMs >= limitMs) {
        metrics.count('blocked_event_loop', {});
        log.warn({ blockedMs, limitMs }, 'the event loop was blocked');
      }
      look();
    });
  };
  look();
  return () => cancel();
}
