import type { Channel, ConsumeMessage, Message } from 'amqplib';
import { giveBack } from '../wire/lent-memory.ts';
import type { Delivery } from '../transport.ts';
import { AckBatch } from './ack-batch.ts';
import { ArrivedMessage } from './arrived-message.ts';

/** The messages of one consumer on one channel, from its start to the channel's end. */
export class Flow {
  readonly channel: Channel;
  readonly #acks: AckBatch | undefined;
  readonly #lost = new AbortController();
  #tag: string | undefined;
  #inHand = 0;
  #closed = false;
  #paused = false;
  #idle: (() => void) | undefined;

  /** @param acknowledged false: a message ends with its arrival */
  constructor(channel: Channel, acknowledged: boolean) {
    this.channel = channel;
    this.#acks = acknowledged ? new AckBatch({ ack: (tag, allUpTo) => acknowledge(channel, tag, allUpTo) }) : undefined;
  }

  get acknowledged(): boolean {
    return this.#acks !== undefined;
  }

  /** Aborted when nothing of it can be acknowledged any more. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** What arrives now was on its way while the channel closed, and is handed out again. */
  get closed(): boolean {
    return this.#closed || this.lost.aborted;
  }

  /** It was told to bring no more. */
  get paused(): boolean {
    return this.#paused;
  }

  /** The consumer's tag at the broker. */
  started(tag: string): void {
    this.#tag = tag;
  }

  arrived(message: ConsumeMessage): Delivery {
    if (this.#acks !== undefined) this.#inHand++;
    return new Arrived(this, message instanceof ArrivedMessage ? message : asArrived(message));
  }

  ack(deliveryTag: number): void {
    this.#acks?.ack(deliveryTag);
    this.#ended();
  }

  requeue(deliveryTag: number): void {
    this.#acks?.flush();
    unlessGone(() => this.channel.nack({ fields: { deliveryTag } } as Message, false, true));
    this.#acks?.note(deliveryTag);
    this.#ended();
  }

  /** No more messages; those in hand can still be acknowledged. */
  async pause(): Promise<void> {
    this.#paused = true;
    if (this.#tag !== undefined) await this.channel.cancel(this.#tag).catch(() => undefined);
  }

  /** Settles when no message is in hand, or it is lost. */
  async idle(): Promise<void> {
    if (this.#inHand === 0 || this.lost.aborted) return;
    await new Promise<void>((resolve) => {
      this.#idle = resolve;
      this.lost.addEventListener('abort', () => resolve(), { once: true });
    });
  }

  /** The channel is gone. */
  lose(): void {
    this.#lost.abort();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#acks?.flush(); // nothing can be acknowledged on a channel that closes
    await this.channel.close().catch(() => undefined);
    this.lose();
  }

  #ended(): void {
    if (--this.#inHand === 0) this.#idle?.();
  }
}

/** What a delivery needs of a message. */
type Source = Pick<
  ArrivedMessage,
  'content' | 'correlationId' | 'replyTo' | 'userId' | 'expiration' | 'redelivered' | 'deliveryTag' | 'fields' | 'properties'
>;

function asArrived({ content, fields, properties }: ConsumeMessage): Source {
  const { correlationId, replyTo, userId, expiration } = properties;
  const { redelivered, deliveryTag } = fields;
  return { content, correlationId, replyTo, userId, expiration, redelivered, deliveryTag, fields, properties };
}

class Arrived implements Delivery {
  readonly body: Buffer;
  readonly correlationId: string | undefined;
  readonly replyTo: string | undefined;
  readonly userId: string;
  readonly redelivered: boolean;
  readonly expiration: string | undefined;
  readonly lost: AbortSignal;
  readonly #flow: Flow;
  readonly #message: Source;
  #open: boolean;

  constructor(flow: Flow, message: Source) {
    this.body = message.content;
    this.correlationId = message.correlationId;
    this.replyTo = message.replyTo;
    this.userId = message.userId ?? '';
    this.redelivered = message.redelivered;
    this.expiration = message.expiration;
    this.lost = flow.lost;
    this.#flow = flow;
    this.#message = message;
    this.#open = flow.acknowledged;
  }

  get origin(): { readonly exchange: string; readonly key: string } {
    const { exchange, routingKey } = this.#message.fields;
    return { exchange, key: routingKey };
  }

  ack(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#flow.ack(this.#message.deliveryTag);
    giveBack(this.body);
  }

  requeue(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#flow.requeue(this.#message.deliveryTag);
  }
}

/** amqplib wants a message, of which it reads the tag. */
const acknowledge = (channel: Channel, deliveryTag: number, allUpTo: boolean) =>
  unlessGone(() => channel.ack({ fields: { deliveryTag } } as Message, allUpTo));

/** When the channel is gone, so is the delivery: the broker hands the message out again. */
function unlessGone(act: () => void): void {
  try {
    act();
  } catch {
    // amqplib throws for a closed channel
  }
}
