import type { Message } from 'amqplib';
import type { Environment } from '../environment.ts';
import { ConnectionLost, Unreachable } from '../errors.ts';
import type { Address, Correspondent, Delivery, Listener, OutgoingMessage, Transport, TransportLimits } from '../transport.ts';
import { addressKeys, REPLIES } from '../wire.ts';
import { Consumer } from './consumer.ts';
import { brokerError, codeOf, Link } from './link.ts';
import { Presence } from './presence.ts';
import { declare, declareBasics, FROM_HOSTS, REPLIES_FROM_HOSTS, STEWARD_TOPIC, type Topology } from './topology.ts';

export interface AmqpSettings {
  readonly urls: readonly string[];
  readonly service: string;
  readonly id: string;
  readonly steward: boolean;
  readonly heartbeatSeconds: number;
  readonly retryBaseMs: number;
  readonly retryCapMs: number;
  readonly limits: TransportLimits;
  readonly environment: Environment;
  readonly topology: Topology;
}

/** One connection at a time, opened again whenever it is lost, with everything that was on it. */
export class AmqpTransport implements Transport {
  readonly service: string;
  readonly id: string;
  readonly steward: boolean;
  readonly environment: Environment;
  readonly limits: TransportLimits;
  readonly topology: Topology;
  readonly replyKey: string;
  readonly #settings: AmqpSettings;
  readonly #listeners = new Set<(connected: boolean, reason?: string) => void>();
  readonly #consumers = new Set<Consumer>();
  readonly #end = new AbortController();
  readonly #replies: Consumer;
  #correspondent: Correspondent | undefined;
  #link: Link | undefined;
  #presence: Presence | undefined;
  #connected = false;
  #blocked: string | undefined;
  readonly #unblocked = new Set<() => void>();
  #attempts = 0;
  #running: Promise<void> | undefined;
  /** Why the last attempt failed. @internal */
  lastError: unknown;
  lastReason = 'no attempt was finished';

  constructor(settings: AmqpSettings) {
    this.#settings = settings;
    this.service = settings.service;
    this.id = settings.id;
    this.steward = settings.steward;
    this.environment = settings.environment;
    this.limits = settings.limits;
    this.topology = settings.topology;
    this.replyKey = addressKeys.reply(settings.service, settings.id);
    this.#replies = this.#consumer(settings.topology.reply(settings.service, settings.id), Number.POSITIVE_INFINITY, true, (delivery) =>
      this.#correspondent?.onReply(delivery),
    );
  }

  get connected(): boolean {
    return this.#connected;
  }

  onChange(listener: (connected: boolean, reason?: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  get blocked(): string | undefined {
    return this.#blocked;
  }

  onUnblocked(listener: () => void): () => void {
    this.#unblocked.add(listener);
    return () => this.#unblocked.delete(listener);
  }

  attach(correspondent: Correspondent): void {
    this.#correspondent = correspondent;
  }

  send(message: OutgoingMessage): boolean {
    const link = this.#link;
    // Requests come as soon as the first queue is back, before the transport calls itself connected: they are answered.
    if (link?.alive !== true || !(this.#connected || message.exchange === REPLIES)) return false;
    const queue = this.#queueToAsk(message);
    if (queue === undefined) return link.send(this.#exchange(message.exchange), message);
    void this.#presence?.ask(queue).then((present) => {
      if (present) link.send(this.#exchange(message.exchange), message);
      else this.#correspondent?.onReturned(message.exchange, message.correlationId);
    });
    return true;
  }

  async sendConfirmed(message: OutgoingMessage): Promise<void> {
    if (!this.#connected || this.#link === undefined) throw new Unreachable('not connected to the broker');
    const link = this.#link;
    const queue = this.#queueToAsk(message);
    if (queue !== undefined && (await this.#presence?.ask(queue)) === false)
      throw new Unreachable(`nobody listens to ${message.key}`, { key: message.key });
    await link.sendConfirmed(this.#exchange(message.exchange), message);
  }

  async listen(address: Address, prefetch: number, take: (delivery: Delivery) => void): Promise<Listener> {
    if (this.#end.signal.aborted) throw new Unreachable('the transport is closed');
    const queue = this.topology.queue(address, this.service, this.id);
    const consumer = this.#consumer(queue, prefetch, address.kind !== 'topic', take);
    this.#consumers.add(consumer);
    // While there is no connection the next one brings it; a link that dies meanwhile is the same case.
    if (this.#connected && this.#link !== undefined) {
      const link = this.#link;
      await consumer.open(link).catch((error: unknown) => {
        if (!link.alive) return;
        this.#consumers.delete(consumer);
        throw brokerError(error);
      });
    }
    return {
      pause: () => {
        this.#consumers.delete(consumer);
        return consumer.pause();
      },
      close: () => {
        this.#consumers.delete(consumer);
        return consumer.close();
      },
    };
  }

  deadLetter(delivery: Delivery, topic: string, reason: string): void {
    const message = { exchange: 'dead', key: topic, body: delivery.body, mandatory: false };
    const sent = this.#link?.sendConfirmed(this.topology.deadExchange, message, {
      topic,
      reason: reason.slice(0, 1_000),
      caller: delivery.userId,
      ...delivery.origin,
    });
    Promise.resolve(sent)
      .catch((error: unknown) =>
        this.environment.log.error({ topic, reason, err: error }, 'a message could not be put aside and is dropped'),
      )
      .finally(() => delivery.ack());
  }

  /** A channel of the living connection. @internal */
  async channel() {
    if (this.#link === undefined) throw new Unreachable('not connected to the broker');
    return this.#link.channel();
  }

  /** Connects and stays connected until closed. */
  start(): void {
    this.#running ??= this.#run();
  }

  async close(): Promise<void> {
    this.#end.abort(new Unreachable('the transport is closed'));
    this.#change(false, 'closed');
    await this.#link?.close();
    await this.#running;
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
        this.#change(true);
        reason = await link.closed;
        metrics.count('disconnects', {});
      } catch (error) {
        this.lastError = error;
        reason = error instanceof Error ? error.message || String(codeOf(error)) : String(error);
      }
      this.#link = undefined;
      this.#blocked = undefined;
      this.lastReason = reason;
      if (this.#end.signal.aborted) return;
      const waitMs = random.next() * Math.min(retryCapMs, retryBaseMs * 2 ** Math.min(failures++, 30));
      log.warn({ service: this.service, reason, waitMs: Math.round(waitMs), failures }, 'no connection to the broker');
      this.#change(false, reason);
      await clock.sleep(waitMs, this.#end.signal).catch(() => undefined);
    }
  }

  async #open(url: string): Promise<Link> {
    const link = await Link.open(url, this.#settings.heartbeatSeconds, `${this.service}.${this.id}`, {
      onReturned: (message) => this.#returned(message),
      onBroken: (error) => this.#correspondent?.onBroken(error),
      onMended: () => this.#correspondent?.onMended(),
      onBlocked: (reason) => this.#block(reason),
    });
    if (this.#end.signal.aborted) await link.close();
    this.#link = link;
    this.#presence = new Presence(link, this.environment.clock);
    try {
      if (!this.steward) {
        const channel = await link.channel();
        await declareBasics(channel, this.topology);
        await channel.close();
      }
      await Promise.all([this.#replies, ...this.#consumers].map((consumer) => consumer.open(link)));
      return link;
    } catch (error) {
      await link.close();
      throw error;
    }
  }

  /** The queue whose consumers must be counted first; undefined when `mandatory` is enough, or somebody was there just now. */
  #queueToAsk({ mandatory, key }: OutgoingMessage): string | undefined {
    if (this.topology.kind === 'classic' || !mandatory) return undefined;
    const queue = this.topology.queueNameOf(key);
    return queue === undefined || this.#presence?.known(queue) !== false ? undefined : queue;
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

  #block(reason: string | undefined): void {
    this.#blocked = reason;
    this.environment.log.warn({ reason }, reason === undefined ? 'the broker takes messages again' : 'the broker blocks messages');
    if (reason === undefined) for (const listener of [...this.#unblocked]) listener();
  }

  #change(connected: boolean, reason?: string): void {
    if (this.#connected === connected) return;
    this.#connected = connected;
    for (const listener of [...this.#listeners]) listener(connected, reason);
  }

  #consumer(queue: ReturnType<Topology['queue']>, prefetch: number, own: boolean, take: (delivery: Delivery) => void): Consumer {
    return new Consumer({
      queue,
      declare: (channel) => declare(channel, this.topology, queue),
      prefetch,
      own,
      askSteward: this.steward ? (link) => this.#askSteward(link) : undefined,
      environment: this.environment,
      retryCapMs: this.#settings.retryCapMs,
      take,
      onBroken: (reason) => {
        if (queue.name === this.topology.reply(this.service, this.id).name)
          this.#correspondent?.onBroken(new ConnectionLost(`${queue.name}: ${reason}`));
      },
      onMended: () => {
        if (queue.name === this.topology.reply(this.service, this.id).name) this.#correspondent?.onMended();
      },
    });
  }

  #askSteward(link: Link): void {
    link.send(this.topology.exchange(FROM_HOSTS), {
      exchange: FROM_HOSTS,
      key: addressKeys.topic(STEWARD_TOPIC),
      body: Buffer.from('{}'),
      mandatory: false,
    });
  }
}
