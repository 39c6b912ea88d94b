import { environment, type Environment } from '../environment.ts';
import { Unreachable } from '../errors.ts';
import { defaultLimits, type Transport, type TransportLimits } from '../transport.ts';
import { whenConnected } from '../waiting.ts';
import { checkServerName } from '../wire.ts';
import { brokerError, codeOf } from './link.ts';
import { Topology } from './topology.ts';
import { AmqpTransport } from './transport.ts';

export interface AmqpOptions extends Partial<Environment>, Partial<TransportLimits> {
  /** Broker addresses, `amqp://user:password@host:port/vhost`; tried in turn. One of `url` and `urls` is needed. */
  readonly url?: string;
  readonly urls?: readonly string[];
  readonly service: string;
  /** Stable for the process, distinct among those of its service. */
  readonly id: string;
  /** The first part of every name on the broker. Default `kilonova`. */
  readonly namespace?: string;
  /** `classic` for a single broker, `quorum` for a cluster. */
  readonly queues: 'classic' | 'quorum';
  /** True for an account without the right to declare: it asks the steward to do so. */
  readonly steward?: boolean;
  /** AMQP heartbeat in seconds. Default 30. */
  readonly heartbeatSeconds?: number;
  /** How long the first connection may take before `connectAmqp` rejects; milliseconds, Infinity to wait for ever. Default 30 000. */
  readonly startWaitMs?: number;
  /** The first wait before another attempt, doubled each time, with full jitter; milliseconds. Default 100. */
  readonly retryBaseMs?: number;
  /** The longest wait before another attempt; milliseconds. Default 10 000. */
  readonly retryCapMs?: number;
}

const DEFAULTS = { namespace: 'kilonova', heartbeatSeconds: 30, startWaitMs: 30_000, retryBaseMs: 100, retryCapMs: 10_000 };
const NAMESPACE = /^[a-z][a-z0-9-]{0,30}$/;
const REFUSED = 403;

/**
 * Settles when connected, with everything declared. Afterwards it reconnects by itself until closed.
 *
 * @throws TypeError for options that cannot work; NotAuthorized when the broker refuses the account; Unreachable when
 *   there was no connection within `startWaitMs`.
 */
export async function connectAmqp(options: AmqpOptions): Promise<Transport> {
  const { service, id, queues, steward = false } = options;
  const { namespace, heartbeatSeconds, startWaitMs, retryBaseMs, retryCapMs } = withDefaults(DEFAULTS, options);
  const urls = options.urls ?? (options.url === undefined ? [] : [options.url]);
  if (urls.length === 0) throw new TypeError('connectAmqp: expected url, or urls with at least one address');
  for (const url of urls) {
    if (!URL.canParse(url) || !/^amqps?:$/.test(new URL(url).protocol))
      throw new TypeError('connectAmqp: expected addresses like amqp://user:password@host:5672/vhost');
  }
  if (!NAMESPACE.test(namespace)) throw new TypeError(`connectAmqp: namespace ${JSON.stringify(namespace)}: expected a lower-case word`);
  checkServerName(service);
  checkServerName(id);
  const transport = new AmqpTransport({
    urls,
    service,
    id,
    steward,
    heartbeatSeconds,
    retryBaseMs,
    retryCapMs,
    limits: withDefaults(defaultLimits, options),
    environment: environment(options),
    topology: new Topology(namespace, queues),
  });
  await firstConnection(transport, startWaitMs);
  return transport;
}

async function firstConnection(transport: AmqpTransport, startWaitMs: number): Promise<void> {
  const { clock } = transport.environment;
  transport.start();
  try {
    const endsAt = clock.monotonic() + startWaitMs;
    while (!transport.connected) {
      const leftMs = Math.min(endsAt - clock.monotonic(), LOOK_MS);
      if (leftMs <= 0)
        throw new Unreachable(`no connection to the broker within ${startWaitMs} ms: ${transport.lastReason}`, undefined, {
          cause: transport.lastError,
        });
      await whenConnected(transport, leftMs).catch(() => undefined);
      if (codeOf(transport.lastError) === REFUSED) throw brokerError(transport.lastError);
    }
  } catch (error) {
    await transport.close();
    throw error;
  }
}

/** While starting, a refusal is looked for this often; milliseconds. */
const LOOK_MS = 100;

const withDefaults = <T extends object>(defaults: T, given: Partial<T>): T =>
  Object.fromEntries(Object.entries(defaults).map(([name, value]) => [name, given[name as keyof T] ?? value])) as T;
