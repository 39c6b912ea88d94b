// Names and arguments of everything on the broker. They carry the topology's version: a change of any argument needs
// a new one, so that two can live side by side and no declaration ever contradicts an older one.
import type { Channel } from 'amqplib';
import { destinationOf, isOrdered, routeWord, type Destination, type QueueKind } from '../contract/lane.ts';
import { EVENTS, eventKeys } from '../notifications/envelope.ts';
import type { Address, Group } from '../transport.ts';
import { addressKeys, REPLIES } from '../wire/wire.ts';

const VERSION = 'v2';
/** What the dead-letter queue keeps; the oldest go first. */
const DEAD_LETTERS = 10_000;
/** What a queue holds; above, the broker refuses. */
const MAX_LENGTH = 100_000;
/** A quorum queue's message that killed its server so many times is dead. */
const DELIVERY_LIMIT = 5;

/** Topic on `from-hosts` by which accounts without the right to declare ask for their queues. */
export const STEWARD_TOPIC = 'steward';
export const FROM_HOSTS = 'from-hosts';
export const TO_HOSTS = 'to-hosts';
export const INTERNAL = 'internal';
/** Where accounts that are kept apart publish their answers; all others use `replies`. */
export const REPLIES_FROM_HOSTS = 'replies-from-hosts';
/**
 * Exchanges on which routing keys are limited by topic permissions, which the broker knows on topic exchanges only. All
 * others are direct: matching a pattern costs the broker a quarter of all that it does for a message.
 */
const LIMITED: ReadonlySet<string> = new Set([FROM_HOSTS, REPLIES_FROM_HOSTS, EVENTS]);

/** Whose answers a process takes: those of accounts that are kept apart (see `serveSteward`) as well, or of `trusted` ones only. */
export type AnswersFrom = 'all' | 'trusted';

export interface Queue {
  readonly name: string;
  /** Words, like `internal`. */
  readonly exchanges: readonly string[];
  readonly key: string;
  /** More of them, on the same exchanges. */
  readonly moreKeys?: readonly string[];
  /** By which answers come into it as well, on `replies`. */
  readonly answersKey?: string;
  readonly options: {
    readonly durable: boolean;
    readonly autoDelete: boolean;
    readonly exclusive?: boolean;
    readonly arguments: Readonly<Record<string, unknown>>;
  };
}

export class Topology {
  readonly namespace: string;
  readonly kind: QueueKind;
  readonly #unusedMs: number;

  /** @param unusedMs a queue without any consumer goes after this, also when it never had one (auto-delete starts with the first) */
  constructor(namespace: string, kind: QueueKind, unusedMs = 60_000) {
    this.#unusedMs = unusedMs;
    this.namespace = namespace;
    this.kind = kind;
  }

  /** `kilonova.internal.v2` */
  exchange(word: string): string {
    return `${this.namespace}.${word}.${VERSION}`;
  }

  get deadExchange(): string {
    return `${this.namespace}.dead.${VERSION}`;
  }

  get deadQueue(): string {
    return `${this.namespace}.dead.${VERSION}`;
  }

  reply(service: string, id: string, from: AnswersFrom = 'all'): Queue {
    const exchanges = from === 'all' ? [REPLIES, REPLIES_FROM_HOSTS] : [REPLIES];
    return this.#queue(`reply.${service}.${id}`, exchanges, addressKeys.reply(service, id), this.#passing());
  }

  /**
   * The queue for answers of one connection in a cluster, under the key of its process: it goes with the connection, so
   * that no nodes have to agree on answers that nobody could read any more. One that is full drops the oldest.
   */
  connectionReply(service: string, id: string, connection: string, from: AnswersFrom = 'all'): Queue {
    const { exchanges, key } = this.reply(service, id, from);
    const limits = { 'x-queue-type': 'classic', 'x-max-length': MAX_LENGTH, 'x-overflow': 'drop-head' };
    return this.#queue(`reply.${service}.${id}.${connection}`, exchanges, key, {
      ...{ durable: false, autoDelete: true, exclusive: true, arguments: limits },
    });
  }

  /** The queue that a process listens to for an address. */
  queue(address: Address, service: string, id: string): Queue {
    if (address.kind === 'group') return this.#group(address);
    const { exchange, topic } = address;
    if (address.kind === 'fanout')
      return this.#queue(`fanout.${topic}.${service}.${id}`, [exchange], addressKeys.fanout(topic), this.#passing());
    const kind = address.queues ?? this.kind;
    const word = routeWord(address);
    if (address.kind === 'server') {
      const options = kind === 'classic' ? this.#passing(kind) : this.#limited(this.#passing(kind));
      return this.#queue(nameOf({ ...address, server: address.server }), [exchange], addressKeys.server(word, address.server), options);
    }
    const options = isOrdered(address.lane) ? this.#ordered(kind) : this.#shared(kind);
    return this.#queue(nameOf({ ...address, server: undefined }), [exchange], addressKeys.topic(word), options);
  }

  /**
   * The queue behind the routing key of a request to one server, when it also takes messages that nobody will read: only
   * auto-delete makes absence visible.
   */
  lastingQueueOf(key: string): string | undefined {
    // Nearly every message on a single broker: this is asked for each.
    if (this.kind === 'classic' && !key.includes('.ordered-') && !key.includes('.quorum.')) return undefined;
    const to = destinationOf(key);
    if (to === undefined || ((to.queues ?? this.kind) === 'classic' && !isOrdered(to.lane))) return undefined;
    return `${this.namespace}.${nameOf(to)}.${VERSION}`;
  }

  #queue(name: string, exchanges: readonly string[], key: string, options: Queue['options']): Queue {
    return { name: `${this.namespace}.${name}.${VERSION}`, exchanges, key, options };
  }

  /** Kept while nobody reads it, within its bounds. What goes out of it unread is put aside, under the key of the group alone. */
  #group({ topic, group, keys, maxLength, overflow, unusedMs }: Group): Queue {
    const key = eventKeys.group(topic, group);
    const options = {
      durable: true,
      autoDelete: false,
      arguments: {
        'x-queue-type': this.kind,
        'x-max-length': maxLength,
        'x-overflow': overflow === 'refuse' ? 'reject-publish' : 'drop-head',
        ...(unusedMs === Number.POSITIVE_INFINITY ? {} : { 'x-expires': unusedMs }),
        ...(this.kind === 'quorum' ? { 'x-delivery-limit': DELIVERY_LIMIT } : {}),
        'x-dead-letter-exchange': this.deadExchange,
        'x-dead-letter-routing-key': key,
      },
    };
    return { ...this.#queue(`events.${topic}.${group}`, [EVENTS], key, options), moreKeys: keys };
  }

  /** Work for any server of a topic. */
  #shared(kind: QueueKind): Queue['options'] {
    if (kind === 'classic') return this.#passing(kind);
    const limits = { 'x-max-length': MAX_LENGTH, 'x-overflow': 'reject-publish' };
    return this.#limited({ durable: true, autoDelete: false, arguments: { 'x-queue-type': 'quorum', ...limits } });
  }

  /** Read by one server at a time, and kept when it dies, so that the next one goes on in order. */
  #ordered(kind: QueueKind): Queue['options'] {
    const shared = this.#shared(kind);
    return { ...shared, autoDelete: false, arguments: { ...shared.arguments, 'x-single-active-consumer': true } };
  }

  /** A message that kills whoever takes it is put aside in the end; classic queues do not count. */
  #limited(options: Queue['options']): Queue['options'] {
    const limit = {
      'x-delivery-limit': DELIVERY_LIMIT,
      'x-dead-letter-exchange': this.deadExchange,
      'x-dead-letter-routing-key': 'limit',
    };
    return { ...options, arguments: { ...options.arguments, ...limit } };
  }

  /** Queues that go with their process. */
  #passing(kind = this.kind): Queue['options'] {
    const limits = { 'x-max-length': MAX_LENGTH, 'x-overflow': 'reject-publish', 'x-expires': this.#unusedMs };
    if (kind === 'classic') return { durable: true, autoDelete: true, arguments: { 'x-queue-type': 'classic', ...limits } };
    return { durable: true, autoDelete: false, arguments: { 'x-queue-type': 'quorum', ...limits } };
  }
}

/** `work`, `work.host-1`, `quorum.work`, `control.work.host-1`, `ordered-3.work`: server names may have dots, so they come last. */
const nameOf = ({ topic, queues, lane, server }: Destination): string =>
  [queues, lane, topic, server].filter((part) => part !== undefined).join('.');

/**
 * Declares a queue with its exchanges and bindings. Saying it again changes nothing.
 *
 * @param known words of exchanges that need not be declared; those that are come to it
 */
export async function declare(channel: Channel, topology: Topology, queue: Queue, known = new Set<string>()): Promise<void> {
  await channel.assertQueue(queue.name, queue.options);
  for (const word of queue.exchanges) {
    if (!known.has(word)) await declareExchange(channel, topology, word);
    known.add(word);
    for (const key of [queue.key, ...(queue.moreKeys ?? [])]) await channel.bindQueue(queue.name, topology.exchange(word), key);
  }
  if (queue.answersKey !== undefined) await channel.bindQueue(queue.name, topology.exchange(REPLIES), queue.answersKey);
}

/** The exchanges that every process of the namespace needs, by their words. */
const BASIC_EXCHANGES = [INTERNAL, TO_HOSTS, FROM_HOSTS, REPLIES, REPLIES_FROM_HOSTS, EVENTS];

/** What every process of the namespace needs. @returns the words of its exchanges */
export async function declareBasics(channel: Channel, topology: Topology): Promise<readonly string[]> {
  for (const word of BASIC_EXCHANGES) await declareExchange(channel, topology, word);
  await channel.assertExchange(topology.deadExchange, 'topic', { durable: true });
  await channel.assertQueue(topology.deadQueue, {
    durable: true,
    arguments: { 'x-queue-type': topology.kind, 'x-max-length': DEAD_LETTERS, 'x-overflow': 'drop-head' },
  });
  await channel.bindQueue(topology.deadQueue, topology.deadExchange, '#');
  return BASIC_EXCHANGES;
}

const declareExchange = (channel: Channel, topology: Topology, word: string) =>
  channel.assertExchange(topology.exchange(word), LIMITED.has(word) ? 'topic' : 'direct', { durable: true });
