import type { Delivery, Listener } from '../transport.ts';
import { MalformedMessage, RpcError } from '../errors.ts';
import { MOST_PREFETCH } from '../options.ts';
import { PRIORITIES, readNotification, withinLimit, type OsloNotification, type OsloPriority } from './envelope.ts';
import type { OsloTransport } from './transport.ts';
import { loggedError } from '../telemetry/logged-error.ts';

/** Which notifications to take, and how often to try. */
export interface OsloListenOptions {
  /** Default `notifications`. */
  readonly topics?: readonly string[];
  /** Default: all of them. */
  readonly priorities?: readonly OsloPriority[];
  /** Listeners of one pool share the notifications; every pool gets all. Default: the pool of those that name none. */
  readonly pool?: string;
  /** Default: the transport's control exchange. */
  readonly exchange?: string;
  /** How many notifications of one topic and priority are handled at the same time, at most 65 535. Default 16. */
  readonly concurrency?: number;
  /** How often a notification whose handler throws is handled before it is dropped with a log. Default 5. */
  readonly attempts?: number;
  /** The wait before a failed one is handled again; milliseconds. Default 1 000. */
  readonly retryDelayMs?: number;
}

/** Takes notifications until closed. */
export interface OsloListener {
  /** Takes nothing new and settles when what is in hand is done. */
  stop(): Promise<void>;
}

const DEFAULTS = { concurrency: 16, attempts: 5, retryDelayMs: 1_000 };

/**
 * Takes notifications of Python's notifiers (drivers `messaging` and `messagingv2`) and of ours, at least once: what was
 * in hand when the process died comes again. Settles when the queues are in place.
 *
 * @throws TypeError when an option cannot work
 */
export async function listenToOsloNotifications(
  transport: OsloTransport,
  handle: (notification: OsloNotification) => void | Promise<void>,
  options: OsloListenOptions = {},
): Promise<OsloListener> {
  const { topics = ['notifications'], priorities = PRIORITIES, pool, exchange = transport.controlExchange } = options;
  const { concurrency = DEFAULTS.concurrency, attempts = DEFAULTS.attempts, retryDelayMs = DEFAULTS.retryDelayMs } = options;
  for (const [name, value, least] of [
    ['concurrency', concurrency, 1],
    ['attempts', attempts, 1],
    ['retryDelayMs', retryDelayMs, 0],
  ] as const)
    // prettier-ignore
    if (!(value >= least)) throw new TypeError(`listenToOsloNotifications: ${name}: expected a number of at least ${least}, got ${value}`);
  if (concurrency > MOST_PREFETCH)
    throw new TypeError(`listenToOsloNotifications: concurrency: expected at most ${MOST_PREFETCH}, got ${concurrency}`);
  const { clock, log, metrics } = transport.environment;
  const end = new AbortController();
  const running = new Set<Promise<void>>();

  const attend = async (delivery: Delivery) => {
    let notification: OsloNotification;
    try {
      notification = readNotification(withinLimit(delivery.body, transport.limits.maxMessageBytes, 'the notification'));
    } catch (error) {
      delivery.ack();
      metrics.count('refused', { code: error instanceof RpcError ? error.code : MalformedMessage.name });
      log.warn({ reason: String(error) }, 'a notification could not be read and is dropped');
      return;
    }
    const { messageId, eventType } = notification;
    for (let attempt = 1; ; attempt++) {
      try {
        await handle(notification);
        return delivery.ack();
      } catch (error) {
        const last = attempt >= attempts;
        metrics.count('handler_errors', { code: error instanceof RpcError ? error.code : 'unknown' });
        log.error({ messageId, eventType, attempt, last, err: loggedError(error) }, last ? 'notification dropped' : 'notification failed');
        if (last) return delivery.ack();
        await clock.sleep(retryDelayMs, end.signal).catch(() => undefined);
        if (end.signal.aborted) return delivery.requeue();
        if (delivery.lost?.aborted === true) return; // the broker gives it out again
      }
    }
  };
  const take = (delivery: Delivery) => {
    const work: Promise<void> = attend(delivery).finally(() => running.delete(work));
    running.add(work);
  };

  const listeners: Listener[] = [];
  const listener: OsloListener = {
    async stop() {
      await Promise.all(listeners.map((each) => each.pause()));
      end.abort();
      await Promise.all(running);
      await Promise.all(listeners.map((each) => each.close()));
    },
  };
  try {
    for (const topic of topics) {
      for (const priority of priorities) {
        const key = `${topic}.${priority}`;
        const queue = transport.topology.topic(exchange, key, pool === undefined ? key : pool);
        listeners.push(await transport.listen(queue, concurrency, { take }));
      }
    }
  } catch (error) {
    await listener.stop();
    throw error;
  }
  return listener;
}
