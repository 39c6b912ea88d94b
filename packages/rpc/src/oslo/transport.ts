import type { Channel } from 'amqplib';
import { Connection } from '../amqp/connection.ts';
import type { ConnectionSettings } from '../amqp/connection-options.ts';
import { Consumer } from '../amqp/consumer.ts';
import type { Link } from '../amqp/link.ts';
import { brokerError } from '../amqp/refusals.ts';
import type { Environment } from '../environment.ts';
import { Unreachable, type RpcError } from '../errors.ts';
import type { Delivery, Listener, TransportLimits } from '../transport.ts';
import type { PythonClasses } from './failure.ts';
import type { OsloQueue, OsloTopology } from './topology.ts';

/** @internal */
export interface OsloSettings {
  readonly service: string;
  readonly controlExchange: string;
  readonly pythonClasses: PythonClasses;
  readonly limits: OsloLimits;
  readonly environment: Environment;
  readonly topology: OsloTopology;
  readonly connection: ConnectionSettings;
}

/** The limits of one process among services that speak oslo.messaging. */
export interface OsloLimits extends Pick<
  TransportLimits,
  'maxMessageBytes' | 'maxCalls' | 'maxUnconfirmed' | 'connectWaitMs' | 'confirmWaitMs' | 'callTimeoutMs'
> {
  /** How many `_unique_id`s a server remembers, to drop what arrives twice. */
  readonly duplicateWindow: number;
  /** How long it remembers them; milliseconds. */
  readonly duplicateWindowMs: number;
}

/** What happens to messages and answers on their way. @internal */
export interface OsloWatcher {
  /** A reply that nobody could be given (`exchange` is ''), or a request that no queue took. */
  onReturned?(exchange: string, correlationId: string): void;
  /** Calls or answers may be lost although the connection lives. */
  onBroken?(error: RpcError): void;
  /** After `onBroken`: messages flow again. */
  onMended?(): void;
  onChange?(connected: boolean, reason?: string): void;
}

/** Takes the messages of a queue; they may be lost between `onBroken` and `onMended`. @internal */
export interface OsloTaker {
  take(delivery: Delivery): void;
  onBroken?(reason: string): void;
  onMended?(): void;
}

/** @internal */
export interface OsloMessage {
  readonly exchange: string;
  readonly key: string;
  readonly body: Buffer;
  readonly correlationId?: string;
  readonly expirationMs?: number;
  readonly mandatory: boolean;
}

/** A process's way to the services that speak oslo.messaging. Made by `connectOslo`; close it last. */
export class OsloTransport {
  readonly service: string;
  readonly controlExchange: string;
  /** @internal */
  readonly pythonClasses: PythonClasses;
  /** @internal */
  readonly environment: Environment;
  readonly limits: OsloLimits;
  /** @internal */
  readonly topology: OsloTopology;
  /** Unguessable, one a process. @internal */
  readonly unique: string;
  readonly #connection: Connection;
  readonly #watchers = new Set<OsloWatcher>();
  /** Topics whose news comes to the queue of the process. */
  readonly #fanouts = new Set<string>();
  /** Exchanges and queues declared on this connection. */
  #declared = new Set<string>();
  /** What is on its way there: a channel for each of thousands that wait for it would be more than there are. */
  #declaring = new Map<string, Promise<void>>();

  /** @internal */
  constructor(settings: OsloSettings) {
    const { service, environment } = settings;
    this.service = service;
    this.controlExchange = settings.controlExchange;
    this.pythonClasses = settings.pythonClasses;
    this.environment = environment;
    this.limits = settings.limits;
    this.topology = settings.topology;
    this.unique = this.uniqueId();
    this.#connection = new Connection(`${service} (oslo)`, settings.connection, environment, {
      onLink: () => {
        this.#declared = new Set();
        this.#declaring = new Map();
        return this.ensureExchange(this.controlExchange);
      },
      onReturned: ({ fields, properties }) => {
        if (fields.exchange === '') environment.metrics.count('unroutable_replies', {});
        this.#tell((watcher) => watcher.onReturned?.(fields.exchange, String(properties.correlationId ?? '')));
      },
      onBroken: (error) => this.#tell((watcher) => watcher.onBroken?.(error)),
      onMended: () => this.#tell((watcher) => watcher.onMended?.()),
    });
    this.#connection.onChange((connected, reason) => this.#tell((watcher) => watcher.onChange?.(connected, reason)));
  }

  /** Aborted by `close`. */
  get closed(): AbortSignal {
    return this.#connection.closed;
  }

  get connected(): boolean {
    return this.#connection.connected;
  }

  /** Whether the connection lives, which may be known before `connected` says so. @internal */
  get alive(): boolean {
    return this.#connection.link?.alive === true;
  }

  onChange(listener: (connected: boolean, reason?: string) => void): () => void {
    return this.#connection.onChange(listener);
  }

  /** Settles when connected; it stays so until closed. @throws as `Connection.open`. @internal */
  open(): Promise<void> {
    return this.#connection.open();
  }

  /**
   * Connects anew, asking for credentials and certificates again, moves everything over, and then gives up the former
   * connection. Calls in flight do not notice.
   *
   * @throws NotAuthorized, Unreachable, ConnectionLost; then all stays as it was.
   */
  renew(): Promise<void> {
    return this.#connection.renew();
  }

  /** Gives up the connection; whatever is in flight fails as ConnectionLost. */
  close(): Promise<void> {
    return this.#connection.close();
  }

  /** 32 hexadecimal digits. @internal */
  uniqueId(): string {
    return this.environment.random.uuid().replaceAll('-', '');
  }

  /**
   * Where a server of the topic hears what all are told: a queue of its own, for what comes to one is taken once. The first
   * has the process's, until it gives that back. @internal
   */
  fanoutQueue(topic: string): { readonly queue: OsloQueue; release(): void } {
    if (this.#fanouts.has(topic)) return { queue: this.topology.fanout(topic, this.uniqueId()), release: () => undefined };
    this.#fanouts.add(topic);
    return { queue: this.topology.fanout(topic, this.unique), release: () => this.#fanouts.delete(topic) };
  }

  /** The returned function ends it. @internal */
  watch(watcher: OsloWatcher): () => void {
    this.#watchers.add(watcher);
    return () => void this.#watchers.delete(watcher);
  }

  /** Hands over a message that nobody confirms. False when not connected. @internal */
  send(message: OsloMessage): boolean {
    const { link } = this.#connection;
    return this.connected && link !== undefined && link.send(message.exchange, message);
  }

  /**
   * Settles when the broker has the message. `prepare` is declared first, once a connection; a fanout exchange each time,
   * since it goes with its last queue.
   *
   * @throws Unreachable (returned, or not connected), Busy (the queue is full), NotAuthorized, ConnectionLost. @internal
   */
  async sendConfirmed(message: OsloMessage, prepare: OsloQueue | { readonly fanout: string } | undefined): Promise<void> {
    const { link } = this.#connection;
    if (!this.connected || link === undefined) throw new Unreachable('not connected to the broker');
    if (prepare !== undefined) {
      if ('fanout' in prepare)
        await this.#together(link, `fanout ${prepare.fanout}`, (channel) => this.topology.declareFanout(channel, prepare.fanout));
      else await this.#once(link, prepare.name, (channel) => prepare.declare(channel));
    }
    await link.sendConfirmed(message.exchange, message);
  }

  /** What a topic's requests are sent to must be there; a publication to an absent exchange costs the channel. @internal */
  async ensureExchange(name: string): Promise<void> {
    const { link } = this.#connection;
    if (link === undefined) return;
    await this.#once(link, `exchange ${name}`, (channel) => this.topology.declareExchange(channel, name));
  }

  /** Whether `ensureExchange` has nothing to do. @internal */
  hasExchange(name: string): boolean {
    return this.#declared.has(`exchange ${name}`);
  }

  /** Takes messages of a queue, over reconnects, until closed. Settles when it is in place. @internal */
  listen(queue: OsloQueue, prefetch: number, taker: OsloTaker): Promise<Listener> {
    const consumer = new Consumer({
      queue,
      declare: (channel) => queue.declare(channel),
      prefetch,
      own: false,
      askSteward: undefined,
      environment: this.environment,
      retryCapMs: this.#connection.retryCapMs,
      take: (delivery) => taker.take(delivery),
      onBroken: (reason) => taker.onBroken?.(reason),
      onMended: () => taker.onMended?.(),
    });
    return this.#connection.add(consumer);
  }

  async #once(link: Link, name: string, declare: (channel: Channel) => Promise<void>): Promise<void> {
    const declared = this.#declared;
    if (declared.has(name)) return;
    await this.#together(link, name, declare);
    declared.add(name);
  }

  /** Who asks while it is being declared waits for that. */
  #together(link: Link, name: string, declare: (channel: Channel) => Promise<void>): Promise<void> {
    const declaring = this.#declaring;
    let running = declaring.get(name);
    if (running === undefined) {
      running = this.#on(link, declare).finally(() => declaring.delete(name));
      declaring.set(name, running);
    }
    return running;
  }

  /** On a channel of its own: a refused declaration ends the channel. */
  async #on(link: Link, declare: (channel: Channel) => Promise<void>): Promise<void> {
    let channel: Channel | undefined;
    try {
      channel = await link.channel();
      await declare(channel);
    } catch (error) {
      throw brokerError(error);
    } finally {
      await channel?.close().catch(() => undefined);
    }
  }

  #tell(act: (watcher: OsloWatcher) => void): void {
    for (const watcher of [...this.#watchers]) act(watcher);
  }
}
