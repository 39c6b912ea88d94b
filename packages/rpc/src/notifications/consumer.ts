import type { Context } from '../context.ts';
import type { ServerInterceptor } from '../interceptors.ts';
import { MOST_PREFETCH } from '../options.ts';
import type { Transport } from '../transport.ts';
import { PRIORITIES, type Events, type EventPriority, type EventTypes, type PayloadOf } from './definition.ts';
import { RunningConsumer } from './running-consumer.ts';

/** What a consumer knows about an event beside its payload. Its `deadline` is Infinity; `method` is the event's name. */
export interface EventContext extends Context {
  /** The same however often the event comes: drop what was seen before. */
  readonly id: string;
  readonly priority: EventPriority;
  /** When it was made, by the publisher's clock; milliseconds since the epoch. */
  readonly at: number;
  /** The process that says it made it: `service.id`. `caller` is the account that the broker validated. */
  readonly source: string;
  /** 1, 2, and so on in this process; another one may have tried before: see `redelivered`. */
  readonly attempt: number;
  /** It was given out before, to a consumer that did not finish. */
  readonly redelivered: boolean;
}

/** One function per kind of event that the group wants; the others are dropped. */
export type EventHandlers<E extends EventTypes> = {
  readonly [Name in keyof E]?: (context: EventContext, payload: PayloadOf<E, Name>) => void | Promise<void>;
};

/**
 * How a group consumes. `maxLength`, `overflow` and `unusedMs` are the queue's for good: all members of a group state the
 * same ones.
 */
export interface ConsumeOptions {
  /** A lower-case word. The members of a group share the events, in any number of processes; every group gets every event. */
  readonly group: string;
  /** Default: all of them. */
  readonly priorities?: readonly EventPriority[];
  /** How many events are handled here at the same time, at most 65 535. Default 16. */
  readonly concurrency?: number;
  /** How often an event whose handler throws is handled before it is put aside as a dead letter. Default 5. */
  readonly attempts?: number;
  /** The first wait before a failed event is handled again, doubled each time, with jitter; it keeps its place of the `concurrency`. Milliseconds. Default 500. */
  readonly retryBaseMs?: number;
  /** The longest such wait; milliseconds. Default 30 000. */
  readonly retryCapMs?: number;
  /** Events that the group's queue holds. Default 100 000. */
  readonly maxLength?: number;
  /**
   * What becomes of events above that. `refuse` (default): publishing fails as Busy, for all groups, until this one has
   * caught up; nothing is lost. `drop-oldest`: the oldest of this group become dead letters.
   */
  readonly overflow?: 'refuse' | 'drop-oldest';
  /** A group without any member is forgotten after this, with what its queue holds; milliseconds, Infinity for never. Default 7 days. */
  readonly unusedMs?: number;
  /** Milliseconds that `stop` waits for handlers before it hands their events back. Default 10 000. */
  readonly graceMs?: number;
  /** Around every handler, inside those of the transport. */
  readonly interceptors?: readonly ServerInterceptor[];
}

/** A member of a group. */
export interface EventConsumer {
  /** Takes nothing new, finishes what is in hand within `graceMs`, then hands back the rest. The group goes on collecting. */
  stop(): Promise<void>;
}

const DEFAULTS = {
  concurrency: 16,
  attempts: 5,
  retryBaseMs: 500,
  retryCapMs: 30_000,
  maxLength: 100_000,
  overflow: 'refuse' as const,
  unusedMs: 604_800_000,
  graceMs: 10_000,
};

const LEAST = { concurrency: 1, attempts: 1, retryBaseMs: 0, retryCapMs: 0, maxLength: 1, unusedMs: 1, graceMs: 0 };
const GROUP = /^[a-z][a-z0-9-]{0,62}$/;

/** Options with every default in its place. */
export type ConsumeSettings = Required<Omit<ConsumeOptions, 'interceptors'>> & Pick<ConsumeOptions, 'interceptors'>;

/**
 * Joins a group, over any number of reconnects. A group gets the events published after its first member came. At least
 * once: what was in hand when a member died comes again, to any of them, under the same `id`. An event of a newer minor
 * than the definition's, or that cannot be read, is put aside as a dead letter, unless the group does not want that kind.
 * A handler that kills its process is tried without end on a classic queue, and five times on a quorum queue.
 *
 * @throws TypeError when an option cannot work, or the group exists with others
 */
export async function consumeEvents<E extends EventTypes>(
  transport: Transport,
  definition: Events<E>,
  handlers: EventHandlers<E>,
  options: ConsumeOptions,
): Promise<EventConsumer> {
  const { group, interceptors, priorities = PRIORITIES } = options;
  const where = `consumeEvents: group ${JSON.stringify(group)} of ${definition.topic}`;
  if (!GROUP.test(group)) throw new TypeError(`${where}: expected a lower-case word`);
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  const settings: ConsumeSettings = { ...DEFAULTS, ...given, group, priorities, interceptors };
  for (const name of Object.keys(LEAST) as (keyof typeof LEAST)[]) {
    if (!(settings[name] >= LEAST[name]))
      throw new TypeError(`${where}: ${name}: expected a number of at least ${LEAST[name]}, got ${settings[name]}`);
  }
  if (settings.concurrency > MOST_PREFETCH)
    throw new TypeError(`${where}: concurrency: expected at most ${MOST_PREFETCH}, got ${settings.concurrency}`);
  if (settings.overflow !== 'refuse' && settings.overflow !== 'drop-oldest')
    throw new TypeError(`${where}: overflow: expected refuse or drop-oldest, got ${String(settings.overflow)}`);
  for (const name of Object.keys(handlers))
    if (!Object.hasOwn(definition.events, name)) throw new TypeError(`${where}: there is no event ${name}`);
  const consumer = new RunningConsumer(transport, definition, handlers as EventHandlers<EventTypes>, settings);
  await consumer.start();
  return consumer;
}
