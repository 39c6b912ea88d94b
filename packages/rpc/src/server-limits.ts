/** How much a server takes on. */
export interface ServerLimits {
  /** How many handlers run at the same time. Default 64. */
  readonly concurrency?: number;
  /** How many requests may wait here for a handler before calls are answered with Busy. Default 256. */
  readonly overloadLimit?: number;
  /** How many unfinished messages the broker hands over per queue. Default: concurrency + overloadLimit + 32. */
  readonly prefetch?: number;
  /** Milliseconds that `stop` waits for handlers before it aborts them. Default 10 000. */
  readonly graceMs?: number;
}

const DEFAULTS = { concurrency: 64, overloadLimit: 256, graceMs: 10_000 };
const LEAST = { concurrency: 1, overloadLimit: 0, prefetch: 1, graceMs: 0 };
/** Room for casts, which are never refused, beside the calls that wait. */
const SPARE_PREFETCH = 32;

/**
 * The limits given, and the defaults of the others.
 *
 * @throws TypeError naming the limit that cannot work.
 */
export function serverLimits(topic: string, given: ServerLimits): Required<ServerLimits> {
  const { concurrency = DEFAULTS.concurrency, overloadLimit = DEFAULTS.overloadLimit, graceMs = DEFAULTS.graceMs } = given;
  const limits = { concurrency, overloadLimit, graceMs, prefetch: given.prefetch ?? concurrency + overloadLimit + SPARE_PREFETCH };
  for (const name of ['concurrency', 'overloadLimit', 'prefetch', 'graceMs'] as const) {
    if (!(limits[name] >= LEAST[name]))
      throw new TypeError(`${name} of ${topic}: expected a number of at least ${LEAST[name]}, got ${limits[name]}`);
  }
  return limits;
}
