import { Busy, ConnectionLost } from '../errors.ts';
import { whenConnected, within } from '../waiting.ts';
import { packNotification, withinLimit, type OsloPriority } from './envelope.ts';
import type { OsloTransport } from './transport.ts';

/** Who sends notifications, and where they go. */
export interface OsloNotifierOptions {
  /** `service.host` */
  readonly publisherId: string;
  /** `[oslo_messaging_notifications] topics`. Default `notifications`. */
  readonly topics?: readonly string[];
  /** Default: the transport's control exchange. */
  readonly exchange?: string;
}

/** Sends notifications as one publisher. */
export interface OsloNotifier {
  /**
   * Settles when the broker keeps the notification in the queue of every topic, whether or not anybody listens yet.
   *
   * @param eventType dotted words like `instance.create.end`
   * @throws Unreachable, Busy, ConnectionLost (the outcome is unknown), MessageTooLarge
   */
  notify(
    priority: OsloPriority,
    eventType: string,
    payload: unknown,
    options?: { readonly remoteContext?: Readonly<Record<string, unknown>> },
  ): Promise<void>;
}

/** Publishes what oslo.messaging's notification listeners take (driver `messagingv2`). */
export function createOsloNotifier(transport: OsloTransport, options: OsloNotifierOptions): OsloNotifier {
  const { publisherId, topics = ['notifications'], exchange = transport.controlExchange } = options;
  const { environment, limits } = transport;
  let unconfirmed = 0;

  const publish = async (topic: string, priority: OsloPriority, body: Buffer) => {
    if (unconfirmed >= limits.maxUnconfirmed)
      throw new Busy(`${topic}: ${limits.maxUnconfirmed} notifications are not confirmed yet, the limit (maxUnconfirmed)`, {
        limit: limits.maxUnconfirmed,
      });
    unconfirmed++;
    try {
      await whenConnected(transport, limits.connectWaitMs);
      // The producer declares the queue, so that nothing is lost before the first listener comes.
      const queue = transport.topology.topic(exchange, `${topic}.${priority}`);
      const late = () => new ConnectionLost(`${queue.name}: not confirmed within ${limits.confirmWaitMs} ms; the outcome is unknown`);
      const sent = transport.sendConfirmed({ exchange, key: queue.key, body, mandatory: true }, queue);
      await within(environment.clock, limits.confirmWaitMs, sent, late);
      environment.metrics.count('notifications', { topic });
    } finally {
      unconfirmed--;
    }
  };

  return {
    async notify(priority, eventType, payload, { remoteContext = {} } = {}) {
      const { clock, random } = environment;
      const notification = {
        messageId: random.uuid(),
        publisherId,
        eventType,
        priority,
        payload,
        timestamp: pythonTime(clock.now()),
        context: remoteContext,
      };
      const pack = () => withinLimit(packNotification(notification, transport.uniqueId()), limits.maxMessageBytes, eventType);
      await Promise.all(topics.map((topic) => publish(topic, priority, pack())));
    },
  };
}

/** Python's `str(datetime.utcnow())` as far as our clock goes. */
const pythonTime = (now: number): string => `${new Date(now).toISOString().replace('T', ' ').slice(0, -1)}000`;
