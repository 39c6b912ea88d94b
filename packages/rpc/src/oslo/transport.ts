import type { Channel } from 'amqplib';
import { Consumer } from '../amqp/consumer.ts';
import { brokerError, codeOf, Link } from '../amqp/link.ts';
import type { Environment } from '../environment.ts';
import { Unreachable, type RpcError } from '../errors.ts';
import type { Delivery, Listener, TransportLimits } from '../transport.ts';
import type { PythonClasses } from './failure.ts';
import type { OsloQueue, OsloTopology } from './topology.ts';

/** @internal */
export interface OsloSettings {
  readonly urls: readonly string[];
  readonly service: string;
  readonly controlExchange: string;
  readonly pythonClasses: PythonClasses;
  readonly heartbeatSeconds: number;
  readonly retryBaseMs: number;
  readonly retryCapMs: number;
  readonly limits: OsloLimits;
  readonly environment: Environment;
  readonly topology: OsloTopology;
}

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
  readonly #settings: OsloSettings;
  readonly #watchers = new Set<OsloWatcher>();
  readonly #consumers = new Set<Consumer>();
  readonly #end = new AbortController();
  #link: Link | undefined;
  /** Exchanges and queues declared on this connection. */
  #declared = new Set<string>();
  #connected = false;
  #attempts = 0;
  #running: Promise<void> | undefined;
  /** Why the last attempt to connect failed. @internal */
  lastError: unknown;
  /** @internal */
  lastReason = 'no attempt was finished';

  /** @internal */
  constructor(settings: OsloSettings) {
    this.#settings = settings;
    this.service = settings.service;
    this.controlExchange = settings.controlExchange;
    this.pythonClasses = settings.pythonClasses;
    this.environment = settings.environment;
    this.limits = settings.limits;
    this.topology = settings.topology;
    this.unique = this.uniqueId();
  }

  get connected(): boolean {
    return this.#connected;
  }

  onChange(listener: (connected: boolean, reason?: string) => void): () => void {
    return this.watch({ onChange: listener });
  }

  /** Gives up the connection; whatever is in flight fails as ConnectionLost. */
  async close(): Promise<void> {
    this.#end.abort(new Unreachable('the transport is closed'));
    this.#change(false, 'closed');
    await this.#link?.close();
    await this.#running;
  }

  /** 32 hexadecimal digits. @internal */
  uniqueId(): string {
    return this.#settings.environment.random.uuid().replaceAll('-', '');
  }

  /** The returned function ends it. @internal */
  watch(watcher: OsloWatcher): () => void {
    this.#watchers.add(watcher);
    return () => void this.#watchers.delete(watcher);
  }

  /** Hands over a message that nobody confirms. False when not connected. @internal */
  send(message: OsloMessage): boolean {
    const link = this.#link;
    return this.#connected && link !== undefined && link.send(message.exchange, message);
  }

  /**
   * Settles when the broker has the message. `prepare` is declared first, once a connection; a fanout exchange each time,
   * since it goes with its last queue.
   *
   * @throws Unreachable (returned, or not connected), Busy (the queue is full), NotAuthorized, ConnectionLost. @internal
   */
  async sendConfirmed(message: OsloMessage, prepare: OsloQueue | { readonly fanout: string } | undefined): Promise<void> {
    const link = this.#link;
    if (!this.#connected || link === undefined) throw new Unreachable('not connected to the broker');
    if (prepare !== undefined) {
      if ('fanout' in prepare) await this.#on(link, (channel) => this.topology.declareFanout(channel, prepare.fanout));
      else await this.#once(link, prepare.name, (channel) => prepare.declare(channel));
    }
    await link.sendConfirmed(message.exchange, message);
  }

  /** What a topic's requests are sent to must be there; a publication to an absent exchange costs the channel. @internal */
  async ensureExchange(name: string): Promise<void> {
    const link = this.#link;
    if (link === undefined) return;
    await this.#once(link, `exchange ${name}`, (channel) => this.topology.declareExchange(channel, name));
  }

  /** Whether `ensureExchange` has nothing to do. @internal */
  hasExchange(name: string): boolean {
    return this.#declared.has(`exchange ${name}`);
  }

  /** Takes messages of a queue, over reconnects, until closed. Settles when it is in place. @internal */
  async listen(queue: OsloQueue, prefetch: number, taker: OsloTaker): Promise<Listener> {
    if (this.#end.signal.aborted) throw new Unreachable('the transport is closed');
    const consumer = new Consumer({
      queue,
      declare: (channel) => queue.declare(channel),
      prefetch,
      own: false,
      askSteward: undefined,
      environment: this.environment,
      retryCapMs: this.#settings.retryCapMs,
      take: (delivery) => taker.take(delivery),
      onBroken: (reason) => taker.onBroken?.(reason),
      onMended: () => taker.onMended?.(),
    });
    this.#consumers.add(consumer);
    // While there is no connection the next one brings it; a link that dies meanwhile is the same case.
    const link = this.#link;
    if (this.#connected && link !== undefined) {
      await consumer.open(link).catch((error: unknown) => {
        if (!link.alive) return;
        this.#consumers.delete(consumer);
        throw brokerError(error);
      });
    }
    const forget = (act: () => Promise<void>) => () => {
      this.#consumers.delete(consumer);
      return act();
    };
    return { pause: forget(() => consumer.pause()), close: forget(() => consumer.close()) };
  }

  /** Connects and stays connected until closed. @internal */
  start(): void {
    this.#running ??= this.#run();
  }

  async #run(): Promise<void> {
    const { clock, random, log, metrics } = this.environment;
    const { urls, retryBaseMs, retryCapMs } = this.#settings;
    let failures = 0;
    while (!this.#end.signal.aborted) {
      let reason: string;
      try {
        const link = await this.#open(urls[this.#attempts++ % urls.length] as string);
        failures = 0;
        metrics.count('connects', {});
        reason = await link.closed;
        metrics.count('disconnects', {});
      } catch (error) {
        this.lastError = error;
        reason = error instanceof Error ? error.message || String(codeOf(error)) : String(error);
      }
      this.#link = undefined;
      this.lastReason = reason;
      if (this.#end.signal.aborted) return;
      const waitMs = random.next() * Math.min(retryCapMs, retryBaseMs * 2 ** Math.min(failures++, 30));
      log.warn({ service: this.service, reason, waitMs: Math.round(waitMs), failures }, 'no connection to the broker');
      this.#change(false, reason);
      await clock.sleep(waitMs, this.#end.signal).catch(() => undefined);
    }
  }

  async #open(url: string): Promise<Link> {
    const link = await Link.open(url, this.#settings.heartbeatSeconds, `${this.service} (oslo)`, {
      onReturned: ({ fields, properties }) => {
        if (fields.exchange === '') this.environment.metrics.count('unroutable_replies', {});
        this.#tell((watcher) => watcher.onReturned?.(fields.exchange, String(properties.correlationId ?? '')));
      },
      onBroken: (error) => this.#tell((watcher) => watcher.onBroken?.(error)),
      onMended: () => this.#tell((watcher) => watcher.onMended?.()),
      onBlocked: (reason) =>
        this.environment.log.warn({ reason }, reason === undefined ? 'the broker takes messages again' : 'the broker blocks messages'),
    });
    if (this.#end.signal.aborted) await link.close();
    this.#link = link;
    this.#declared = new Set();
    try {
      await this.ensureExchange(this.controlExchange);
      // Some may be added while others are being opened.
      const opened = new Set<Consumer>();
      for (let left = [...this.#consumers]; left.length > 0; left = [...this.#consumers].filter((one) => !opened.has(one))) {
        for (const consumer of left) opened.add(consumer);
        await Promise.all(left.map((consumer) => consumer.open(link)));
      }
      this.#change(true);
      return link;
    } catch (error) {
      await link.close();
      throw error;
    }
  }

  async #once(link: Link, name: string, declare: (channel: Channel) => Promise<void>): Promise<void> {
    const declared = this.#declared;
    if (declared.has(name)) return;
    await this.#on(link, declare);
    declared.add(name);
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

  #change(connected: boolean, reason?: string): void {
    if (this.#connected === connected) return;
    this.#connected = connected;
    this.#tell((watcher) => watcher.onChange?.(connected, reason));
  }

  #tell(act: (watcher: OsloWatcher) => void): void {
    for (const watcher of [...this.#watchers]) act(watcher);
  }
}
