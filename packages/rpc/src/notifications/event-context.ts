import type { Metadata } from '../interceptors.ts';
import { noMetadata } from '../wire/metadata.ts';
import type { Delivery } from '../transport.ts';
import type { EventContext } from './consumer.ts';
import type { EventPriority } from './definition.ts';
import type { EventEnvelope } from './envelope.ts';

/** One attempt at one event. */
export class HandledEvent implements EventContext {
  readonly requestId: string;
  readonly namespace = undefined;
  readonly deadline = Number.POSITIVE_INFINITY;
  readonly caller: string;
  readonly method: string;
  readonly version: string;
  readonly metadata: Metadata;
  readonly id: string;
  readonly priority: EventPriority;
  readonly at: number;
  readonly source: string;
  readonly attempt: number;
  readonly redelivered: boolean;
  readonly #ending: AbortSignal;
  #signal: AbortSignal | undefined;

  constructor(envelope: EventEnvelope, delivery: Pick<Delivery, 'userId' | 'redelivered'>, attempt: number, ending: AbortSignal) {
    this.requestId = envelope.requestId;
    this.#ending = ending;
    this.caller = delivery.userId;
    this.method = envelope.method;
    this.version = envelope.version;
    this.metadata = envelope.metadata ?? noMetadata;
    this.id = envelope.id;
    this.priority = envelope.priority;
    this.at = envelope.at;
    this.source = envelope.source;
    this.attempt = attempt;
    this.redelivered = delivery.redelivered;
  }

  /** One of its own, so that what a handler hangs on it goes with the event; made when asked for. */
  get signal(): AbortSignal {
    return (this.#signal ??= AbortSignal.any([this.#ending]));
  }
}
