// Names and flags as oslo.messaging's rabbit driver declares them (impl_rabbit.py). Both sides declare the same things, so
// every flag must be the one that the Python side is configured with, else the broker refuses the second (406).
import type { Channel } from 'amqplib';
import type { Queue } from '../amqp/topology.ts';

/** How queues are declared: what Python's `[oslo_messaging_rabbit]` says, since both sides declare the same. */
export interface OsloQueues {
  /** `amqp_durable_queues`: exchange and topic queues outlive the broker. Default false. */
  readonly durable: boolean;
  /** `amqp_auto_delete`: exchange and topic queues go with their last user. Default false. */
  readonly autoDelete: boolean;
  /** `rabbit_quorum_queue`: topic queues are replicated; they are durable then. Default false. */
  readonly quorum: boolean;
  /** `rabbit_quorum_delivery_limit`; 0 states none. Default 0. */
  readonly deliveryLimit: number;
  /** `rabbit_transient_quorum_queue` (newer than 14.0): fanout exchanges are durable, fanout and reply queues replicated. Default false. */
  readonly transientQuorum: boolean;
  /** `rabbit_transient_queues_ttl`: an unused fanout or reply queue goes after this; seconds. Default 1800. */
  readonly transientTtlSeconds: number;
}

export const defaultQueues: OsloQueues = {
  durable: false,
  autoDelete: false,
  quorum: false,
  deliveryLimit: 0,
  transientQuorum: false,
  transientTtlSeconds: 1_800,
};

/** A queue with the way to declare it. */
export interface OsloQueue extends Pick<Queue, 'name' | 'key' | 'options'> {
  readonly exchange: string;
  declare(channel: Channel): Promise<void>;
}

export class OsloTopology {
  readonly #given: OsloQueues;

  constructor(given: OsloQueues) {
    this.#given = given;
  }

  async declareExchange(channel: Channel, name: string): Promise<void> {
    await channel.assertExchange(name, 'topic', { durable: this.#durable, autoDelete: this.#given.autoDelete });
  }

  async declareFanout(channel: Channel, topic: string): Promise<void> {
    await channel.assertExchange(fanoutExchange(topic), 'fanout', { durable: this.#given.transientQuorum, autoDelete: true });
  }

  /** `TOPIC`, `TOPIC.SERVER`, `TOPIC.priority`; `name` differs from the key for pools of listeners. */
  topic(exchange: string, key: string, name = key): OsloQueue {
    const { autoDelete, quorum, deliveryLimit } = this.#given;
    const args = quorum ? { 'x-queue-type': 'quorum', ...(deliveryLimit > 0 ? { 'x-delivery-limit': deliveryLimit } : {}) } : {};
    const options = { durable: this.#durable, autoDelete, arguments: args };
    return queue(name, exchange, key, options, async (channel) => {
      await this.declareExchange(channel, exchange);
    });
  }

  /** One a server: `unique` is 32 hexadecimal digits. */
  fanout(topic: string, unique: string): OsloQueue {
    return queue(`${topic}_fanout_${unique}`, fanoutExchange(topic), topic, this.#transient, (channel) =>
      this.declareFanout(channel, topic),
    );
  }

  /** On the default exchange, as the sender of an answer expects. */
  reply(unique: string): OsloQueue {
    return queue(`reply_${unique}`, '', '', this.#transient);
  }

  get #durable(): boolean {
    return this.#given.durable || this.#given.quorum;
  }

  /**
   * Nobody else declares these queues, so they need not be as oslo.messaging's own: durable, because RabbitMQ 4.3 refuses
   * transient ones that are shared, and because answers then survive a reconnect.
   */
  get #transient(): Queue['options'] {
    const { transientQuorum, transientTtlSeconds } = this.#given;
    const type = transientQuorum ? 'quorum' : 'classic';
    return { durable: true, autoDelete: false, arguments: { 'x-queue-type': type, 'x-expires': transientTtlSeconds * 1_000 } };
  }
}

export const fanoutExchange = (topic: string) => `${topic}_fanout`;

function queue(
  name: string,
  exchange: string,
  key: string,
  options: Queue['options'],
  before?: (channel: Channel) => Promise<void>,
): OsloQueue {
  return {
    name,
    exchange,
    key,
    options,
    async declare(channel) {
      await before?.(channel);
      await channel.assertQueue(name, options);
      if (exchange !== '') await channel.bindQueue(name, exchange, key);
    },
  };
}
