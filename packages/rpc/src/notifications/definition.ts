import { checkMessageClass } from '../codec/definition.ts';
import { parseVersion, type Class } from '../contract/contract.ts';

/** How much an event matters to whoever watches; part of its address, so that a group may take only some. */
export type EventPriority = 'debug' | 'info' | 'warn' | 'error' | 'critical';

export const PRIORITIES: readonly EventPriority[] = ['debug', 'info', 'warn', 'error', 'critical'];

/** One kind of event: what it carries, and since when it exists. */
export interface EventType<Payload> {
  /** The version, MAJOR.MINOR, that brought it. */
  readonly since: string;
  readonly payload: Class<Payload>;
  readonly priority: EventPriority;
}

/** Kinds of events by their names. */
// The payload classes are known to their definition alone; plumbing that handles all of them must say `any`.
// eslint-disable-next-line typescript/no-explicit-any
export type EventTypes = Readonly<Record<string, EventType<any>>>;

/** What a service tells the world: a topic, a version and kinds of events. Made by `defineEvents`. */
export interface Events<E extends EventTypes = EventTypes> {
  readonly topic: string;
  /** MAJOR.MINOR. */
  readonly version: string;
  readonly events: E;
}

/** What an event of that name carries. */
export type PayloadOf<E extends EventTypes, Name extends keyof E> = E[Name] extends EventType<infer Payload> ? Payload : never;

/** A kind of event. `priority` is that of each one published without; default `info`. */
export const event = <Payload>(given: { since: string; payload: Class<Payload>; priority?: EventPriority }): EventType<Payload> => ({
  priority: 'info',
  ...given,
});

const TOPIC = /^[a-z][a-z0-9_-]{0,62}$/;
const NAME = /^(?=.{1,128}$)[a-z][a-z0-9]*(?:[._-][a-z0-9]+)*$/;

/**
 *     const instanceEvents = defineEvents({
 *       topic: 'instances',
 *       version: '1.1',
 *       events: {
 *         'instance.created': event({ since: '1.0', payload: InstanceCreated }),
 *         'instance.failed': event({ since: '1.1', payload: InstanceFailed, priority: 'error' }),
 *       },
 *     });
 *
 * @throws TypeError when a name or a version cannot work; the message says which and why.
 */
export function defineEvents<E extends EventTypes>(given: { topic: string; version: string; events: E }): Events<E> {
  const { topic, version, events } = given;
  if (!TOPIC.test(topic))
    throw new TypeError(`topic ${JSON.stringify(topic)} of events: expected a lower-case word of letters, digits, "-" and "_"`);
  const own = parseVersion(version, `version of the events of ${topic}`);
  for (const [name, { since: text, payload }] of Object.entries(events)) {
    if (!NAME.test(name))
      throw new TypeError(`event ${JSON.stringify(name)} of ${topic}: expected lower-case words joined by ".", "_" or "-"`);
    const since = parseVersion(text, `since of ${topic} ${name}`);
    if (since.major !== own.major || since.minor > own.minor)
      throw new TypeError(`event ${topic} ${name} is since ${text}, but the events are ${version}`);
    checkMessageClass(`event ${topic} ${name}`, payload, since.minor, new Map());
  }
  return { topic, version, events };
}
