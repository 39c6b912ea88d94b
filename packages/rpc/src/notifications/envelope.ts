import { malformed } from '../codec/fields.ts';
import { readRequest, type RequestEnvelope } from '../wire/wire.ts';
import { PRIORITIES, type EventPriority } from './definition.ts';

/** The exchange word of all events. */
export const EVENTS = 'events';

/** An event on the wire. `method` is its name; the rest is as for requests. */
export interface EventEnvelope extends RequestEnvelope {
  readonly kind: 'event';
  /** The same however often it comes. */
  readonly id: string;
  /** When it was made, by the publisher's clock; milliseconds since the epoch. */
  readonly at: number;
  readonly priority: EventPriority;
  /** Of the process that made it: `service.id`. */
  readonly source: string;
}

export const eventKeys = {
  published: (topic: string, priority: EventPriority) => `${topic}.${priority}`,
  /** Reaches one group alone; for what was put aside and is sent again. */
  group: (topic: string, group: string) => `group.${topic}.${group}`,
} as const;

/** @throws MalformedMessage naming the path */
export function readEvent(bytes: Buffer): EventEnvelope {
  const envelope = readRequest(bytes) as Partial<EventEnvelope> & RequestEnvelope;
  if (envelope.kind !== 'event') throw malformed('kind', 'event', envelope.kind);
  if (typeof envelope.id !== 'string' || envelope.id === '') throw malformed('id', 'string', envelope.id);
  if (typeof envelope.at !== 'number') throw malformed('at', 'number', envelope.at);
  if (typeof envelope.source !== 'string') throw malformed('source', 'string', envelope.source);
  if (!PRIORITIES.includes(envelope.priority as EventPriority)) throw malformed('priority', PRIORITIES.join(', '), envelope.priority);
  return envelope as EventEnvelope;
}
