import type { Channel, ConsumeMessage, Message } from 'amqplib';
import type { Environment } from '../environment.ts';
import type { Delivery } from '../transport.ts';
import { giveBack } from '../lent-memory.ts';
import { AckBatch } from './ack-batch.ts';
import { ArrivedMessage } from './arrived-message.ts';
import type { Link } from './link.ts';
import { codeOf } from './refusals.ts';
import type { Queue } from './topology.ts';

export interface ConsumerPlan {
  readonly queue: Pick<Queue, 'name'>;
  /** Declares the queue, where we may. */
  readonly declare: (channel: Channel) => Promise<void>;
  /** Infinity: nothing is acknowledged. */
  readonly prefetch: number;
  /** The queue belongs to this process alone: a newer connection of it goes before its own ghost. */
  readonly own: boolean;
  /** Asks for the queue to be declared, where we may not. */
  readonly askSteward: ((link: Link) => void) | undefined;
  readonly environment: Environment;
  /** Longest wait between attempts; milliseconds. */
  readonly retryCapMs: number;
  take(delivery: Delivery): void;
  /** Its messages may be lost: the queue went away, or the channel did. */
  onBroken(reason: string): void;
  onMended(): void;
}

const RETRY_BASE_MS = 50;
const NOT_FOUND = 404;

/** Takes messages of one queue, on a channel of its own, over any number of connections. */
export class Consumer {
  readonly #plan: ConsumerPlan;
  #channel: Channel | undefined;
  #tag: string | undefined;
  #acks: AckBatch | undefined;
  /** Ends with the channel. */
  #lost = new AbortController();
  #ended = false;

  constructor(plan: ConsumerPlan) {
    this.#plan = plan;
  }

  /** Settles when messages flow. @throws when the link dies, or the broker refuses for good. */
  async open(link: Link): Promise<void> {
    const { clock, random } = this.#plan.environment;
    for (let attempt = 0; !this.#ended; attempt++) {
      try {
        return await this.#consume(link);
      } catch (error) {
        if (this.#plan.askSteward === undefined || codeOf(error) !== NOT_FOUND || !link.alive) throw error;
        this.#plan.askSteward(link);
        const most = Math.min(this.#plan.retryCapMs, RETRY_BASE_MS * 2 ** attempt);
        await Promise.race([clock.sleep(most * (0.5 + random.next() / 2)), link.closed]);
      }
    }
  }

  /** No more messages; those in hand can still be acknowledged. */
  async pause(): Promise<void> {
    this.#ended = true;
    if (this.#channel !== undefined && this.#tag !== undefined) await this.#channel.cancel(this.#tag).catch(() => undefined);
  }

  async close(): Promise<void> {
    this.#ended = true;
    this.#acks?.flush(); // nothing can be acknowledged on a channel that closes
    await this.#channel?.close().catch(() => undefined);
    this.#channel = undefined;
    this.#lost.abort();
  }

  async #consume(link: Link): Promise<void> {
    const { queue, prefetch, own, askSteward, environment } = this.#plan;
    const channel = await link.channel();
    try {
      if (askSteward === undefined) await this.#plan.declare(channel);
      const noAck = prefetch === Number.POSITIVE_INFINITY;
      if (!noAck) await channel.prefetch(prefetch);
      this.#acks = noAck ? undefined : new AckBatch({ ack: (tag, allUpTo) => acknowledge(channel, tag, allUpTo) });
      const acks = this.#acks;
      const lost = new AbortController();
      this.#lost = lost;
      const take = (message: ConsumeMessage | null) => this.#take(link, channel, message, acks, lost.signal);
      link.shortcut(channel, take);
      const { consumerTag } = await channel.consume(queue.name, take, {
        noAck,
        // The ghost of a connection that broke half may live until its heartbeats end; the younger consumer is served first.
        ...(own ? { priority: Math.floor(environment.clock.now() / 1_000) } : {}),
      });
      this.#tag = consumerTag;
    } catch (error) {
      await channel.close().catch(() => undefined);
      throw error;
    }
    this.#channel = channel;
    channel.on('close', () => {
      if (this.#channel === channel) this.#again(link, 'the channel was closed');
    });
    if (this.#ended) await this.close();
  }

  #take(link: Link, channel: Channel, message: ConsumeMessage | null, acks: AckBatch | undefined, lost: AbortSignal): void {
    if (message === null) {
      this.#again(link, 'the queue was deleted');
      return;
    }
    this.#plan.take(new Arrived(channel, acks, message instanceof ArrivedMessage ? message : asArrived(message), lost));
    if (acks === undefined) giveBack(message.content);
  }

  #again(link: Link, reason: string): void {
    const channel = this.#channel;
    this.#channel = undefined;
    this.#lost.abort();
    if (this.#ended) return;
    // The 'close' events of a dying connection come channel by channel: in the next turn it is known to be dead.
    setImmediate(() => {
      if (!link.alive || this.#ended) return;
      this.#plan.environment.log.warn({ queue: this.#plan.queue.name, reason }, 'consumer lost, taken up again');
      this.#plan.onBroken(reason);
      void channel?.close().catch(() => undefined);
      this.open(link).then(
        () => this.#plan.onMended(),
        () => link.close(),
      );
    });
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
  readonly #channel: Channel;
  readonly #acks: AckBatch | undefined;
  readonly #message: Source;
  #open: boolean;

  constructor(channel: Channel, acks: AckBatch | undefined, message: Source, lost: AbortSignal) {
    this.body = message.content;
    this.correlationId = message.correlationId;
    this.replyTo = message.replyTo;
    this.userId = message.userId ?? '';
    this.redelivered = message.redelivered;
    this.expiration = message.expiration;
    this.lost = lost;
    this.#channel = channel;
    this.#acks = acks;
    this.#message = message;
    this.#open = acks !== undefined;
  }

  get origin(): { readonly exchange: string; readonly key: string } {
    const { exchange, routingKey } = this.#message.fields;
    return { exchange, key: routingKey };
  }

  ack(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#acks?.ack(this.#message.deliveryTag);
    giveBack(this.body);
  }

  requeue(): void {
    if (!this.#open) return;
    this.#open = false;
    const { deliveryTag } = this.#message;
    this.#acks?.flush();
    unlessGone(() => this.#channel.nack({ fields: { deliveryTag } } as Message, false, true));
    this.#acks?.note(deliveryTag);
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
