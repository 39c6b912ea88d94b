import type { Channel, Message } from 'amqplib';
import type { Environment } from '../environment.ts';
import { ConnectionLost, NotAuthorized, RpcError, Unreachable } from '../errors.ts';
import type { Address, Correspondent, Delivery, Listener, OutgoingMessage, Transport, TransportLimits } from '../transport.ts';
import { addressKeys, REPLIES } from '../wire/wire.ts';
import { Connection } from './connection.ts';
import type { ConnectionSettings } from './connection-options.ts';
import { Consumer } from './consumer.ts';
import type { Link } from './link.ts';
import { Presence } from './presence.ts';
import { codeOf } from './refusals.ts';
import {
  declare,
  declareBasics,
  FROM_HOSTS,
  REPLIES_FROM_HOSTS,
  type AnswersFrom,
  type Queue,
  STEWARD_TOPIC,
  type Topology,
} from './topology.ts';
import { loggedError } from '../telemetry/logged-error.ts';

export interface AmqpSettings {
  readonly service: string;
  readonly id: string;
  readonly steward: boolean;
  readonly answersFrom: AnswersFrom;
  readonly oneQueue: boolean;
  readonly limits: TransportLimits;
  readonly absenceDoubtMs: number;
  readonly environment: Environment;
  readonly topology: Topology;
  readonly connection: ConnectionSettings;
}

/** One queue, and what becomes of its messages. */
interface Taking {
  readonly queue: Queue;
  readonly prefetch: number;
  /** It belongs to this process alone. */
  readonly own: boolean;
  readonly take: (delivery: Delivery) => void;
  /** Answers are among them. */
  readonly answers?: boolean;
}

/** The broker's code for a queue that is there with other arguments. */
const OTHER_ARGUMENTS = 406;

/** Everything that a process sends and takes, over one connection. */
export class AmqpTransport implements Transport {
  readonly service: string;
  readonly id: string;
  readonly steward: boolean;
  readonly environment: Environment;
  readonly limits: TransportLimits;
  readonly topology: Topology;
  readonly replyKey: string;
  readonly #answersFrom: AnswersFrom;
  /**
   * Where answers come: `apart` in a queue of their own, `nowhere` before a server's queue is listened to, and while that is being
   * `opened`, then `together` with its requests.
   */
  #answers: 'apart' | 'nowhere' | 'opened' | 'together';
  /** Who is to know that the wait is over. */
  readonly #listeners = new Set<(connected: boolean) => void>();
  readonly #connection: Connection;
  #correspondent: Correspondent | undefined;
  readonly #presence: Presence;
  /**
   * Exchanges that are declared: they outlive connections, so that thousands of processes that come back at once declare
   * their queues only. Empty: it is to be declared with the next link.
   */
  readonly #exchanges = new Set<string>();

  constructor(settings: AmqpSettings) {
    const { service, id, topology, environment } = settings;
    this.service = service;
    this.id = id;
    this.steward = settings.steward;
    this.#answersFrom = settings.answersFrom;
    this.#answers = settings.oneQueue ? 'nowhere' : 'apart';
    this.environment = environment;
    this.limits = settings.limits;
    this.topology = topology;
    this.#presence = new Presence(environment.clock, settings.absenceDoubtMs);
    this.replyKey = addressKeys.reply(service, id);
    this.#connection = new Connection(`${service}.${id}`, settings.connection, environment, {
      onLink: (link) => this.#prepare(link),
      onReturned: (message) => this.#returned(message),
      onBroken: (error) => this.#correspondent?.onBroken(error),
      onMended: () => this.#correspondent?.onMended(),
      onMissing: (link) => {
        this.#exchanges.clear();
        return this.#prepare(link);
      },
    });
  }

  get connected(): boolean {
    return this.#connection.connected && this.#answerable;
  }

  get closed(): AbortSignal {
    return this.#connection.closed;
  }

  onChange(listener: (connected: boolean, reason?: string) => void): () => void {
    const forget = this.#connection.onChange((connected, reason) => {
      if (this.#answerable) listener(connected, reason);
    });
    this.#listeners.add(listener);
    return () => {
      forget();
      this.#listeners.delete(listener);
    };
  }

  get blocked(): string | undefined {
    return this.#connection.blocked;
  }

  onUnblocked(listener: () => void): () => void {
    return this.#connection.onUnblocked(listener);
  }

  returnWithin(ms: number): void {
    this.#connection.returnWithin(ms);
  }

  attach(correspondent: Correspondent): void {
    this.#correspondent = correspondent;
  }

  send(message: OutgoingMessage): boolean {
    const { link } = this.#connection;
    // Requests come as soon as the first queue is back, before the transport calls itself connected: they are answered.
    if (link?.alive !== true || !(this.connected || message.exchange === REPLIES)) return false;
    const queue = this.#queueToAsk(message);
    if (queue === undefined) return link.send(this.#exchange(message.exchange), message);
    this.#presence.ask(queue, (present) => {
      if (present) link.send(this.#exchange(message.exchange), message);
      else this.#correspondent?.onReturned(message.exchange, message.correlationId);
    });
    return true;
  }

  sendConfirmed(message: OutgoingMessage): Promise<void> {
    const { link } = this.#connection;
    if (!this.connected || link === undefined) return Promise.reject(new Unreachable('not connected to the broker'));
    const exchange = this.#exchange(message.exchange);
    const queue = this.#queueToAsk(message);
    if (queue === undefined) return link.sendConfirmed(exchange, message);
    return new Promise((resolve, reject) => {
      this.#presence.ask(queue, (present) => {
        if (present) link.sendConfirmed(exchange, message).then(resolve, reject);
        else reject(new Unreachable(`nobody listens to ${message.key}`, { key: message.key }));
      });
    });
  }

  async listen(address: Address, prefetch: number, take: (delivery: Delivery) => void): Promise<Listener> {
    if (this.steward && address.kind === 'group')
      throw new NotAuthorized(`group ${address.group} of ${address.topic}: an account that may not declare cannot join a group`);
    const queue = this.topology.queue(address, this.service, this.id);
    const own = address.kind === 'server' || address.kind === 'fanout';
    try {
      if (address.kind === 'server' && this.#answers === 'nowhere') return await this.#listenTogether(queue, prefetch, take);
      return await this.#connection.add(this.#consumer({ queue, prefetch, own, take }));
    } catch (error) {
      if (address.kind !== 'group' || !(error instanceof RpcError) || codeOf(error.cause) !== OTHER_ARGUMENTS) throw error;
      throw new TypeError(`group ${address.group} of ${address.topic} exists with other options: ${error.message}`, { cause: error });
    }
  }

  deadLetter(delivery: Delivery, topic: string, reason: string): void {
    const message = { exchange: 'dead', key: topic, body: delivery.body, mandatory: false };
    const sent = this.#connection.link?.sendConfirmed(this.topology.deadExchange, message, {
      topic,
      reason: reason.slice(0, 1_000),
      caller: delivery.userId,
      ...delivery.origin,
    });
    Promise.resolve(sent)
      .catch((error: unknown) =>
        this.environment.log.error({ topic, reason, err: loggedError(error) }, 'a message could not be put aside and is dropped'),
      )
      .finally(() => delivery.ack());
  }

  /** A channel of the living connection. @internal */
  async channel() {
    if (this.#connection.link === undefined) throw new Unreachable('not connected to the broker');
    return this.#connection.link.channel();
  }

  /** Settles when connected; it stays so until closed. @throws as `Connection.open`. @internal */
  async open(): Promise<void> {
    // Over whatever link comes; without one it cannot fail.
    if (this.#answers === 'apart') await this.#connection.add(this.#replies());
    await this.#connection.open();
  }

  renew(): Promise<void> {
    return this.#connection.renew();
  }

  close(): Promise<void> {
    return this.#connection.close();
  }

  async #prepare(link: Link): Promise<void> {
    this.#presence.use(link);
    if (this.steward || this.#exchanges.size > 0) return;
    const channel = await link.channel();
    for (const word of await declareBasics(channel, this.topology)) this.#exchanges.add(word);
    await channel.close();
  }

  async #declare(channel: Channel, queue: Queue): Promise<void> {
    try {
      await declare(channel, this.topology, queue, this.#exchanges);
    } catch (error) {
      this.#exchanges.clear(); // a broker that lost what it had
      throw error;
    }
  }

  /** The queue whose consumers must be counted first; undefined when `mandatory` is enough, or somebody was there just now. */
  #queueToAsk({ mandatory, key }: OutgoingMessage): string | undefined {
    if (!mandatory) return undefined;
    const queue = this.topology.lastingQueueOf(key);
    return queue === undefined || this.#presence.known(queue) ? undefined : queue;
  }

  #returned(message: Message): void {
    const { exchange } = message.fields;
    const { namespace } = this.topology;
    const word = exchange.slice(namespace.length + 1, exchange.lastIndexOf('.'));
    this.#correspondent?.onReturned(word === REPLIES_FROM_HOSTS ? REPLIES : word, message.properties.correlationId);
  }

  /** An account that is kept apart answers where the broker looks at its routing keys. */
  #exchange(word: string): string {
    return this.topology.exchange(this.steward && word === REPLIES ? REPLIES_FROM_HOSTS : word);
  }

  get #answerable(): boolean {
    return this.#answers === 'apart' || this.#answers === 'together';
  }

  /** Requests and answers in one queue; who stops taking requests takes answers apart from then on. */
  async #listenTogether(queue: Queue, prefetch: number, take: (delivery: Delivery) => void): Promise<Listener> {
    const replies = this.topology.exchange(REPLIES);
    const takeEither = (delivery: Delivery) => {
      if (delivery.origin?.exchange !== replies) return take(delivery);
      this.#correspondent?.onReply(delivery);
      delivery.ack();
    };
    const both = { ...queue, answersKey: this.replyKey };
    this.#answers = 'opened';
    const adding = this.#connection.add(this.#consumer({ queue: both, prefetch, own: true, take: takeEither, answers: true }));
    const listener = await adding.catch((error: unknown) => {
      this.#answers = 'nowhere';
      throw error;
    });
    this.#answers = 'together';
    if (this.#connection.connected) for (const told of [...this.#listeners]) told(true);
    const after = (act: () => Promise<void>) => async () => {
      if (this.#answers === 'together') {
        this.#answers = 'apart';
        const refused = (error: unknown) => this.environment.log.warn({ err: loggedError(error) }, 'no answers come any more');
        await this.#connection.add(this.#replies()).catch(refused);
      }
      await act();
    };
    return { pause: after(() => listener.pause()), close: after(() => listener.close()) };
  }

  #replies(): Consumer {
    const plan = {
      queue: this.topology.reply(this.service, this.id, this.#answersFrom),
      prefetch: Number.POSITIVE_INFINITY,
      own: true,
      take: (delivery: Delivery) => this.#correspondent?.onReply(delivery),
      answers: true,
    };
    if (this.steward || this.topology.kind === 'classic') return this.#consumer(plan);
    return this.#consumer(plan, async (channel) => {
      const own = this.topology.connectionReply(this.service, this.id, this.environment.random.uuid(), this.#answersFrom);
      await this.#declare(channel, own);
      return own.name;
    });
  }

  #consumer(
    { queue, prefetch, own, take, answers = false }: Taking,
    declareIt: (channel: Channel) => Promise<string | void> = (channel) => this.#declare(channel, queue),
  ): Consumer {
    return new Consumer({
      queue,
      declare: declareIt,
      prefetch,
      own,
      askSteward: this.steward ? (link, reason) => this.#askSteward(link, reason) : undefined,
      environment: this.environment,
      retryCapMs: this.#connection.retryCapMs,
      take,
      onBroken: (reason) => {
        if (answers) this.#correspondent?.onBroken(new ConnectionLost(`${queue.name}: ${reason}`));
      },
      onMended: () => {
        if (answers) this.#correspondent?.onMended();
      },
    });
  }

  #askSteward(link: Link, reason: string): void {
    this.#connection.awaitsSteward(link, reason);
    link.send(this.topology.exchange(FROM_HOSTS), {
      exchange: FROM_HOSTS,
      key: addressKeys.topic(STEWARD_TOPIC),
      body: Buffer.from('{}'),
      mandatory: false,
    });
  }
}
