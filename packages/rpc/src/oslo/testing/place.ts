import { connect, type ChannelModel, type ConfirmChannel } from 'amqplib';
import { afterEach, beforeEach } from 'vitest';
import {
  connectOslo,
  osloEndpoint,
  serveOslo,
  type OsloHandlers,
  type OsloOptions,
  type OsloServeOptions,
  type OsloServer,
  type OsloTransport,
} from '../../index.ts';
import { testBroker } from '../../testing/proxy.ts';
import { workContract } from './contract.ts';

export type Work = OsloHandlers<ReturnType<typeof workContract>>;

/** Names that no other test has, a connection by hand beside ours, and how ours connect and serve there. */
export interface OsloPlace {
  readonly topic: string;
  readonly connection: ChannelModel;
  readonly channel: ConfirmChannel;
  /** Closed behind the test. */
  connect(over?: Partial<OsloOptions>): Promise<OsloTransport>;
  /** The work contract, as server `s-1`. */
  serve(transport: OsloTransport, handlers: Partial<Work>, options?: Partial<OsloServeOptions>): Promise<OsloServer>;
}

/** To be called once at the top of a test file. @param settings of all transports */
export function osloPlace(name: string, settings: Partial<OsloOptions> = {}): OsloPlace {
  const opened: OsloTransport[] = [];
  let runs = 0;
  let topic = '';
  let connection: ChannelModel;
  let channel: ConfirmChannel;
  beforeEach(async () => {
    topic = `oslo-${name}-${process.pid}-${++runs}`;
    connection = await connect(testBroker());
    channel = await connection.createConfirmChannel();
  });
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((one) => one.close()));
    for (const queue of [topic, `${topic}.s-1`]) await channel.deleteQueue(queue);
    await channel.deleteExchange(topic);
    await connection.close();
  });
  return {
    get topic() {
      return topic;
    },
    get connection() {
      return connection;
    },
    get channel() {
      return channel;
    },
    async connect(over = {}) {
      const retries = { retryBaseMs: 20, retryCapMs: 200 };
      const transport = await connectOslo({ url: testBroker(), service: 'test', controlExchange: topic, ...retries, ...settings, ...over });
      opened.push(transport);
      return transport;
    },
    serve: (transport, handlers, options = {}) =>
      serveOslo(transport, [osloEndpoint(workContract(topic), { run: () => 'done', note: () => undefined, ...handlers })], {
        server: 's-1',
        ...options,
      }),
  };
}
