// One live connection with its publishing channels. It ends once, for whatever reason, and is never mended: the
// transport opens another.
import { connect, type Channel, type ChannelModel, type ConfirmChannel, type ConsumeMessage, type Message } from 'amqplib';
import { Busy, ConnectionLost, Unreachable, type RpcError } from '../errors.ts';
import type { OutgoingMessage } from '../transport.ts';
import type { Dial } from './dialer.ts';
import { FrameReader } from './frame-reader.ts';
import { brokerError, codeOf } from './refusals.ts';
import type { PlainProperties } from './publish-frames.ts';
import { TurnWriter } from './turn-writer.ts';

export interface LinkEvents {
  onReturned(message: Message): void;
  /** The channel of calls and answers was closed by the broker, and is being opened again. */
  onBroken(error: RpcError): void;
  onMended(): void;
  /** Before a channel is opened again that the broker closed because what was sent to is not there. */
  onMissing?(link: Link): Promise<void>;
  onBlocked(reason: string | undefined): void;
  /** After `congested`: the socket has taken all there was. */
  onDrained(): void;
}

/** amqplib's own count of what awaits its confirmation. */
interface CountedChannel {
  pushConfirmCallback?(settle: (error: Error | null) => void): void;
}

export class Link {
  readonly model: ChannelModel;
  /** Settles with the reason when the connection is gone. */
  readonly closed: Promise<string>;
  readonly #user: string;
  readonly #events: LinkEvents;
  readonly #writer: TurnWriter;
  readonly #reader: FrameReader;
  #alive = true;
  #publisher: Channel | undefined;
  #confirmer: ConfirmChannel | undefined;
  /** Messages that wait for it, in their order. The first one of a link has it opened: many processes need none. */
  readonly #awaitingConfirmer: (() => void)[] = [];
  #openingConfirmer: Promise<void> | undefined;
  /** Closed by the broker, and being opened again. */
  #confirmerLost = false;
  /** Confirmed messages that came back, by message id; the return is there before the confirmation. */
  readonly #returned = new Set<string>();
  #count = 0;

  static async open({ url, user, socket }: Dial, connectionName: string, maxPendingBytes: number, events: LinkEvents): Promise<Link> {
    const model = await connect(url, { ...socket, clientProperties: { connection_name: connectionName } });
    const link = new Link(model, user, maxPendingBytes, events);
    try {
      await link.#openPublisher();
    } catch (error) {
      await link.close();
      throw error;
    }
    return link;
  }

  private constructor(model: ChannelModel, user: string, maxPendingBytes: number, events: LinkEvents) {
    this.model = model;
    this.#user = user;
    this.#events = events;
    this.#writer = new TurnWriter(model, maxPendingBytes, () => events.onDrained());
    this.#reader = new FrameReader(model);
    this.closed = new Promise((resolve) => {
      let reason = 'connection closed';
      model.on('error', (error) => {
        reason = error.message;
      });
      model.on('close', (error) => {
        this.#alive = false;
        resolve(error?.message ?? reason);
      });
    });
    model.on('blocked', (reason) => events.onBlocked(reason || 'no reason given'));
    model.on('unblocked', () => events.onBlocked(undefined));
  }

  get alive(): boolean {
    return this.#alive;
  }

  /** Why no more should be sent at present: the socket does not take what there is. */
  get congested(): string | undefined {
    return this.#writer.congested;
  }

  send(exchange: string, message: OutgoingMessage): boolean {
    if (this.#publisher === undefined) return false;
    const { key, mandatory, body, spent } = message;
    const properties = this.#properties(message);
    if (!this.#writer.publish(this.#publisher, { exchange, key, mandatory }, properties, body, spent))
      this.#publisher.publish(exchange, key, body, { ...properties, mandatory });
    return true;
  }

  sendConfirmed(exchange: string, message: OutgoingMessage, headers?: Readonly<Record<string, string>>): Promise<void> {
    if (this.#confirmer !== undefined) return this.#publishConfirmed(this.#confirmer, exchange, message, headers);
    if (this.#confirmerLost || this.#publisher === undefined)
      return Promise.reject(new Unreachable('the channel to the broker is being opened again'));
    return new Promise((resolve, reject) => {
      this.#awaitingConfirmer.push(() => {
        if (this.#confirmer === undefined) reject(new Unreachable('the connection to the broker was lost'));
        else this.#publishConfirmed(this.#confirmer, exchange, message, headers).then(resolve, reject);
      });
      this.#openingConfirmer ??= this.#openConfirmer()
        .catch(() => this.close()) // a connection that cannot give another channel is of no use
        .finally(() => {
          for (const send of this.#awaitingConfirmer.splice(0)) send();
        });
    });
  }

  #publishConfirmed(
    channel: ConfirmChannel,
    exchange: string,
    message: OutgoingMessage,
    headers?: Readonly<Record<string, string>>,
  ): Promise<void> {
    const id = String(this.#count++);
    const { key, mandatory, body } = message;
    const properties = this.#properties(message, id);
    return new Promise((resolve, reject) => {
      const settle = (error: Error | null) => {
        const returned = this.#returned.delete(id);
        if (error === null) {
          if (returned) reject(new Unreachable(`nobody listens to ${message.key}`, { key: message.key }));
          else resolve();
        } else if (error.message === 'message nacked') {
          reject(new Busy(`the queue of ${message.key} is full`, { key: message.key }));
        } else {
          reject(this.#endOf(channel, exchange));
        }
      };
      const counted = channel as unknown as CountedChannel;
      if (
        headers === undefined &&
        counted.pushConfirmCallback !== undefined &&
        this.#writer.publish(channel, { exchange, key, mandatory }, properties, body)
      )
        counted.pushConfirmCallback(settle);
      else channel.publish(exchange, key, body, { ...properties, mandatory, ...(headers === undefined ? {} : { headers }) }, settle);
    });
  }

  /** What is known of a message that was not confirmed: the broker's refusal ends the channel, also for what it took before, to other places. */
  #endOf(channel: Channel, exchange: string): RpcError {
    const reason = closeReasons.get(channel);
    if (reason?.message.includes(`'${exchange}'`) === true) return reason;
    const lost = reason === undefined ? 'the connection to the broker was lost' : `the channel to the broker was closed: ${reason.message}`;
    return new ConnectionLost(`${lost}; the outcome is unknown`, undefined, { cause: reason });
  }

  /** A channel whose failure is its user's business. */
  async channel(): Promise<Channel> {
    const channel = await this.model.createChannel();
    this.#writer.take(channel);
    noteCloseReason(channel);
    // A channel whose connection breaks while it closes never says that it is closed, either.
    const close = channel.close.bind(channel);
    channel.close = () => Promise.race([close(), this.closed.then(() => undefined)]);
    return channel;
  }

  /** The shorter way of a channel's deliveries to its one consumer, where there is one. To be said before `consume`, with the same function. */
  shortcut(channel: Channel, take: (message: ConsumeMessage) => void): void {
    this.#reader.take(channel, take);
  }

  /** Settles when the broker has confirmed or returned all that was sent so far. */
  async settled(): Promise<void> {
    // Answers come in the order of the questions: behind whatever comes back of this channel's messages.
    await this.#openingConfirmer;
    await Promise.allSettled([this.#publisher?.prefetch(0), this.#confirmer?.waitForConfirms()]);
  }

  async close(): Promise<void> {
    if (!this.#alive) return;
    // What is published from now on would throw: it is as good as not connected.
    this.#publisher = undefined;
    this.#confirmer = undefined;
    // A connection that breaks just now never says that it is closed.
    await Promise.race([this.model.close().catch(() => undefined), this.closed]);
  }

  #properties({ correlationId, replyTo, expirationMs }: OutgoingMessage, messageId?: string): PlainProperties {
    const persistent = messageId !== undefined;
    return { userId: this.#user, contentType: 'application/json', persistent, correlationId, replyTo, expiration: expirationMs, messageId };
  }

  async #openPublisher(): Promise<void> {
    const channel = await this.channel();
    channel.on('return', (message) => this.#events.onReturned(message));
    channel.on('close', () => {
      this.#publisher = undefined;
      if (!this.#alive) return;
      this.#events.onBroken(closeReasons.get(channel) ?? new ConnectionLost('the channel was closed'));
      this.#again(channel, () => this.#openPublisher().then(() => this.#events.onMended()));
    });
    this.#publisher = channel;
  }

  async #openConfirmer(): Promise<void> {
    const channel = await this.model.createConfirmChannel();
    this.#writer.take(channel);
    noteCloseReason(channel);
    channel.on('return', (message) => this.#returned.add(String(message.properties.messageId)));
    channel.on('close', () => {
      this.#confirmer = undefined;
      this.#confirmerLost = true;
      if (this.#alive) this.#again(channel, () => this.#openConfirmer());
    });
    this.#confirmer = channel;
    this.#confirmerLost = false;
  }

  /** A connection that cannot give another channel is of no use. */
  #again(closed: Channel, open: () => Promise<void>): void {
    const missing = codeOf(closeReasons.get(closed)?.cause) === NOT_FOUND;
    // The 'close' events of a dying connection come channel by channel: in the next turn it is known to be dead.
    setImmediate(() => {
      if (!this.#alive) return;
      const ready = (missing ? this.#events.onMissing?.(this) : undefined) ?? Promise.resolve();
      ready.then(open).catch(() => this.close());
    });
  }
}

const NOT_FOUND = 404;

const closeReasons = new WeakMap<Channel, RpcError>();

function noteCloseReason(channel: Channel): void {
  channel.on('error', (error) => closeReasons.set(channel, brokerError(error)));
}
