import { checkSignal } from '../client/check-options.ts';
import type { CallOptions } from '../client/client.ts';
import { encoderFor } from '../codec/codec.ts';
import { checkedIn } from '../codec/fields.ts';
import { sendConfirmed } from '../client/confirmed.ts';
import { NoSuchMethod, UnsupportedVersion } from '../errors.ts';
import { chain, type ClientInterceptor, type OutgoingCall } from '../interceptors.ts';
import { checkMetadata, metadataOf } from '../wire/metadata.ts';
import { shown } from '../options.ts';
import { Pin } from '../client/pin.ts';
import type { Transport } from '../transport.ts';
import { toBytes } from '../wire/wire.ts';
import { PRIORITIES, type Events, type EventPriority, type EventType, type EventTypes, type PayloadOf } from './definition.ts';
import { EVENTS, eventKeys, type EventEnvelope } from './envelope.ts';
import type { OutboxEntry, OutboxSink } from './transactional-outbox.ts';

/** How one event is published. */
export interface PublishOptions extends Pick<CallOptions, 'context' | 'requestId' | 'metadata' | 'signal'> {
  /** Names the event for good: consumers drop what they have seen. At most 128 characters and 255 bytes. Default: a random UUID. */
  readonly id?: string;
  /** Default: the event's own. */
  readonly priority?: EventPriority;
}

/** How all events of a publisher are published. */
export interface PublisherOptions {
  /** The version to speak, MAJOR.MINOR: that of the oldest consumer; a function is asked before every event. Default: the definition's own. */
  readonly pin?: string | (() => string);
  /** Around every event, inside those of the transport. */
  readonly interceptors?: readonly ClientInterceptor[];
}

/** Tells the world, in the words of its definition. */
export interface Publisher<E extends EventTypes> {
  /**
   * Settles with the event's id when the broker has it for every group there is; that there is none is no failure. After
   * any failure but a local one the event may have reached some: publish it again with the same `id`.
   *
   * @throws TypeError for an option that cannot work, UnsupportedVersion, MalformedMessage, MessageTooLarge (nothing left); Unreachable, Busy (also: the queue of a
   *   group that refuses is full), ConnectionLost
   */
  publish<Name extends keyof E & string>(type: Name, payload: PayloadOf<E, Name>, options?: PublishOptions): Promise<string>;
  /**
   * Puts the event into an outbox, in the user's transaction: it is published if, and only if, that commits, by whoever
   * drains the outbox. Needs no connection. Settles with the event's id.
   *
   * @throws TypeError for an option that cannot work, UnsupportedVersion, MalformedMessage, MessageTooLarge, and whatever the store throws
   */
  stage<Transaction, Name extends keyof E & string>(
    store: OutboxSink<Transaction>,
    transaction: Transaction,
    type: Name,
    payload: PayloadOf<E, Name>,
    options?: PublishOptions,
  ): Promise<string>;
}

const MAX_ID = 128;
/** AMQP's limit: it also stands in the head of the message. */
const MAX_ID_BYTES = 255;

/**
 * A publisher of the events. Publishers are cheap: all those of a transport share its connection.
 *
 * @throws UnsupportedVersion when `pin` is a text that the definition cannot speak; TypeError when it is no version.
 */
export function createPublisher<E extends EventTypes>(
  transport: Transport,
  definition: Events<E>,
  options: PublisherOptions = {},
): Publisher<E> {
  const { topic, version, events } = definition;
  const { environment, limits } = transport;
  const pin = new Pin({ topic, namespace: undefined, version, methods: events }, options.pin);
  const around = chain(environment.interceptors.client, options.interceptors);

  const entryOf = (type: string, payload: object, call: OutgoingCall, id: string, priority: EventPriority): OutboxEntry => {
    const spoken = pin.current();
    const what = `event ${topic} ${type}`;
    const known: EventType<object> | undefined = events[type];
    if (known === undefined) throw new NoSuchMethod(`${topic} has no event ${type}`);
    if (!pin.allows(type))
      throw new UnsupportedVersion(`${what} is since ${known.since}, but the peers are ${spoken.text}`, {
        asked: known.since,
        supported: spoken.text,
      });
    const { metadata, requestId } = call;
    checkMetadata(metadata, limits.maxMetadataBytes, what);
    const envelope: EventEnvelope = {
      kind: 'event',
      topic,
      method: type,
      version: spoken.text,
      id,
      at: environment.clock.now(),
      priority,
      source: `${transport.service}.${transport.id}`,
      requestId,
      ...(Object.keys(metadata).length === 0 ? {} : { metadata }),
      body: checkedIn(what, () => encoderFor<object>(known.payload, spoken.minor)(payload)),
    };
    const body = JSON.stringify(envelope);
    toBytes(body, limits.maxMessageBytes, what);
    return { id, topic, key: eventKeys.published(topic, priority), body };
  };

  const send = async (type: string, payload: object, given: PublishOptions, last: (entry: OutboxEntry) => Promise<void>) => {
    const id = given.id ?? environment.random.uuid();
    if (id === '' || id.length > MAX_ID || Buffer.byteLength(id) > MAX_ID_BYTES)
      throw new TypeError(`id of event ${topic} ${type}: expected 1 to ${MAX_ID} characters in at most ${MAX_ID_BYTES} bytes`);
    if (given.priority !== undefined && !PRIORITIES.includes(given.priority))
      throw new TypeError(`priority of event ${topic} ${type}: expected ${PRIORITIES.join(', ')}, got ${shown(given.priority)}`);
    checkSignal(`event ${topic} ${type}`, given.signal);
    const call: OutgoingCall = {
      kind: 'event',
      topic,
      method: type,
      server: undefined,
      requestId: given.requestId ?? given.context?.requestId ?? `req-${environment.random.uuid()}`,
      deadline: Number.POSITIVE_INFINITY,
      request: payload,
      context: given.context,
      metadata: { ...metadataOf(given) },
    };
    const go = async () => last(entryOf(type, payload, call, id, given.priority ?? events[type]?.priority ?? 'info'));
    await (around === undefined ? go() : around(call, go));
    return id;
  };

  return {
    publish: (type, payload, given = {}) =>
      send(type, payload as object, given, async (entry) => {
        const onSend = () => environment.metrics.count('notifications', { topic, method: type });
        await sendEntry(transport, entry, { signal: given.signal, onSend });
      }),
    stage: (store, transaction, type, payload, given = {}) =>
      send(type, payload as object, given, (entry) => store.append(transaction, entry)),
  };
}

/** @throws as `sendConfirmed` */
export const sendEntry = (transport: Transport, entry: OutboxEntry, options: Parameters<typeof sendConfirmed>[3] = {}): Promise<void> =>
  sendConfirmed(
    transport,
    `event ${entry.id} of ${entry.topic}`,
    { exchange: EVENTS, key: entry.key, body: Buffer.from(entry.body), correlationId: entry.id, mandatory: false },
    options,
  );
