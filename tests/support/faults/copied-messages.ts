import { connect, type Channel, type ChannelModel, type ConsumeMessage, type Options } from 'amqplib';
import { setTimeout as pause } from 'node:timers/promises';
import { brokerctl, brokerUrl } from '../broker.ts';

export interface CopiedMessagesOptions {
  /** The first part of the names of the cloud's exchanges. */
  readonly namespace: string;
  readonly random: () => number;
  /** Of a message, that it comes again. */
  readonly probability: number;
  /** How late the copy comes, at most: after what was said since. */
  readonly lateMs: number;
}

export interface CopiedMessages {
  /** Messages that were sent a second time. */
  readonly copies: number;
  /** Settles when every copy has left. */
  stop(): Promise<void>;
}

/**
 * Sends some of a cloud's messages a second time, up to seconds late. They are seen through the broker's own trace
 * (`rabbitmqctl trace_on`, exchange amq.rabbitmq.trace), which changes no routing: a queue bound beside the others would
 * make every message routable, and calls to nobody would no longer come back. A copy has all properties of its
 * message, so that it reaches another server of a topic, or the same one after a restart. The account in `user-id` must be ours,
 * hence only for clouds whose processes share the account of the test's broker.
 */
export async function copyMessages(options: CopiedMessagesOptions): Promise<CopiedMessages> {
  const copier = new Copier(options);
  await copier.open();
  return copier;
}

class Copier implements CopiedMessages {
  copies = 0;
  readonly #options: CopiedMessagesOptions;
  readonly #ours = new Map<string, number>();
  readonly #leaving = new Set<Promise<void>>();
  #model: ChannelModel | undefined;
  #stopped = false;

  constructor(options: CopiedMessagesOptions) {
    this.#options = options;
  }

  async open(): Promise<void> {
    this.#model = await connect(brokerUrl());
    this.#model.on('error', () => undefined);
    const channel = await this.#model.createChannel();
    channel.on('error', () => undefined);
    const { queue } = await channel.assertQueue('', { exclusive: true, autoDelete: true });
    await channel.bindQueue(queue, 'amq.rabbitmq.trace', `publish.${this.#options.namespace}.#`);
    await channel.consume(queue, (message) => message !== null && this.#see(message, channel), { noAck: true });
    await brokerctl(['trace_on']);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await brokerctl(['trace_off']).catch(() => undefined); // a broker that ended has forgotten it
    await Promise.all(this.#leaving);
    await this.#model?.close().catch(() => undefined);
  }

  #see(traced: ConsumeMessage, channel: Channel): void {
    const { random, probability, lateMs } = this.#options;
    const { exchange, key, properties, mark } = readTrace(traced);
    const own = this.#ours.get(mark) ?? 0;
    if (own > 0) return void this.#ours.set(mark, own - 1); // our copy, seen in the trace
    if (this.#stopped || random() >= probability) return;
    const leaving = pause(Math.floor(random() * lateMs)).then(() => {
      this.#ours.set(mark, (this.#ours.get(mark) ?? 0) + 1);
      channel.publish(exchange, key, traced.content, properties);
      this.copies += 1;
    });
    const settled = leaving.catch(() => undefined).finally(() => this.#leaving.delete(settled)); // the broker went away
    this.#leaving.add(settled);
  }
}

interface Traced {
  readonly exchange: string;
  readonly key: string;
  readonly properties: Options.Publish;
  readonly mark: string;
}

/** The trace's headers: see "Firehose Tracer" in RabbitMQ's documentation. */
function readTrace({ properties: { headers = {} }, content }: ConsumeMessage): Traced {
  const exchange = headers['exchange_name'] as string;
  const [key = ''] = headers['routing_keys'] as string[];
  const named = headers['properties'] as Readonly<Record<string, unknown>>;
  const properties = Object.fromEntries(
    Object.entries(named).map(([name, value]) => [PUBLISH_NAMES[name] ?? name, value]),
  ) as Options.Publish;
  return {
    exchange,
    key,
    properties,
    mark: `${key} ${String(named['message_id'])} ${String(named['correlation_id'])} ${content.toString('latin1')}`,
  };
}

/** The broker's names of properties, as amqplib wants them. */
const PUBLISH_NAMES: Readonly<Record<string, string>> = {
  content_type: 'contentType',
  content_encoding: 'contentEncoding',
  delivery_mode: 'deliveryMode',
  correlation_id: 'correlationId',
  reply_to: 'replyTo',
  message_id: 'messageId',
  user_id: 'userId',
  app_id: 'appId',
};
