import { MOST_PREFETCH } from '../options.ts';

/** How much one kind of messages may take on a server. */
export interface LaneLimits {
  /** How many handlers run at the same time. Default 64; for control messages 8. */
  readonly concurrency?: number;
  /** How many requests may wait here for a handler before calls are answered with Busy. Default 256; for control messages 64. */
  readonly overloadLimit?: number;
  /**
   * How many unfinished messages the broker hands over per queue, at most 65 535; the queues of ordered messages share it. Default:
   * concurrency + overloadLimit + 32.
   */
  readonly prefetch?: number;
}

/** How much a server takes on. */
export interface ServerLimits extends LaneLimits {
  /** How many pairs of a deprecated method and an account are told apart in warnings; above, uses are counted only. Default 1 000. */
  readonly deprecationWarnings?: number;
  /** How many casts may wait here for another attempt; what fails above it counts as failed for good. Default: half of `prefetch`. */
  readonly maxRetrying?: number;
  /** Lines of log a second for what is refused of one account; above, refusals are counted only, and the next line says how many. Default 50. */
  readonly refusalLines?: number;
  /** How many versions that senders name are judged once and remembered, per namespace. Default 256. */
  readonly rememberedVersions?: number;
  /** Characters of a stack that goes with an error, where stacks are sent. Default 8 192. */
  readonly stackLength?: number;
  /** Milliseconds that `stop` waits for handlers before it aborts them. Default 10 000. */
  readonly graceMs?: number;
  /** For methods of `priority: 'control'`, beside the others. */
  readonly control?: LaneLimits;
}

/** All of them, given or by default. */
export type EveryServerLimit = Required<Omit<ServerLimits, 'control'>> & { readonly control: Required<LaneLimits> };

const OWN = { graceMs: 10_000, deprecationWarnings: 1_000, refusalLines: 50, rememberedVersions: 256, stackLength: 8_192 };
const NORMAL = { concurrency: 64, overloadLimit: 256 };
const CONTROL = { concurrency: 8, overloadLimit: 64 };
const LEAST = { concurrency: 1, overloadLimit: 0, prefetch: 1, maxRetrying: 0 };
/** Room for casts, which are never refused, beside the calls that wait. */
const SPARE_PREFETCH = 32;

/**
 * The limits given, and the defaults of the others.
 *
 * @throws TypeError naming the limit that cannot work.
 */
export function serverLimits(topic: string, given: ServerLimits): EveryServerLimit {
  const own = { ...OWN };
  for (const name of Object.keys(OWN) as (keyof typeof OWN)[]) {
    own[name] = given[name] ?? OWN[name];
    check(topic, name, own[name], 0);
  }
  const normal = laneLimits(topic, '', given, NORMAL);
  const maxRetrying = given.maxRetrying ?? Math.floor(normal.prefetch / 2);
  check(topic, 'maxRetrying', maxRetrying, LEAST.maxRetrying);
  return { ...normal, ...own, maxRetrying, control: laneLimits(topic, 'control.', given.control ?? {}, CONTROL) };
}

function laneLimits(topic: string, prefix: string, given: LaneLimits, defaults: typeof NORMAL): Required<LaneLimits> {
  const { concurrency = defaults.concurrency, overloadLimit = defaults.overloadLimit } = given;
  const prefetch = given.prefetch ?? Math.min(MOST_PREFETCH, concurrency + overloadLimit + SPARE_PREFETCH);
  const limits = { concurrency, overloadLimit, prefetch };
  for (const name of ['concurrency', 'overloadLimit', 'prefetch'] as const) check(topic, prefix + name, limits[name], LEAST[name]);
  if (prefetch > MOST_PREFETCH) throw new TypeError(`${prefix}prefetch of ${topic}: expected at most ${MOST_PREFETCH}, got ${prefetch}`);
  return limits;
}

function check(topic: string, name: string, value: number, least: number): void {
  if (!(value >= least)) throw new TypeError(`${name} of ${topic}: expected a number of at least ${least}, got ${value}`);
}
