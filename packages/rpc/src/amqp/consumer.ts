import type { Channel, ConsumeMessage } from 'amqplib';
import type { Environment } from '../environment.ts';
import type { Delivery } from '../transport.ts';
import { codeOf, type Link } from './link.ts';
import { declare, type Queue } from './topology.ts';

export interface ConsumerPlan {
  readonly queue: Queue;
  /** Declares the queue where its topology is not ours. */
  readonly declare?: (channel: Channel) => Promise<void>;
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
    await this.#channel?.close().catch(() => undefined);
    this.#channel = undefined;
  }

  async #consume(link: Link): Promise<void> {
    const { queue, prefetch, own, askSteward, environment } = this.#plan;
    const channel = await link.channel();
    try {
      if (askSteward === undefined) await (this.#plan.declare?.(channel) ?? declare(channel, queue));
      const noAck = prefetch === Number.POSITIVE_INFINITY;
      if (!noAck) await channel.prefetch(prefetch);
      const { consumerTag } = await channel.consume(queue.name, (message) => this.#take(link, channel, message, noAck), {
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
      if (this.#channel === channel) this.#lost(link, 'the channel was closed');
    });
    if (this.#ended) await this.close();
  }

  #take(link: Link, channel: Channel, message: ConsumeMessage | null, noAck: boolean): void {
    if (message === null) {
      this.#lost(link, 'the queue was deleted');
      return;
    }
    const { properties, fields } = message;
    let open = !noAck;
    const end = (act: () => void) => {
      if (!open) return;
      open = false;
      try {
        act();
      } catch {
        // The channel is gone, and with it the delivery: the broker hands the message out again.
      }
    };
    this.#plan.take({
      body: message.content,
      correlationId: properties.correlationId,
      replyTo: properties.replyTo,
      userId: properties.userId ?? '',
      expiration: properties.expiration,
      redelivered: fields.redelivered,
      ack: () => end(() => channel.ack(message)),
      requeue: () => end(() => channel.nack(message, false, true)),
    });
  }

  #lost(link: Link, reason: string): void {
    const channel = this.#channel;
    this.#channel = undefined;
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
