import { brokerError, codeOf } from '../amqp/link.ts';
import { environment, type Environment } from '../environment.ts';
import { Unreachable } from '../errors.ts';
import { defaultLimits } from '../transport.ts';
import { whenConnected } from '../waiting.ts';
import type { PythonClasses } from './failure.ts';
import { defaultQueues, OsloTopology, type OsloQueues } from './topology.ts';
import { OsloTransport, type OsloLimits } from './transport.ts';

export interface OsloOptions extends Partial<Environment>, Partial<OsloLimits>, Partial<OsloQueues> {
  /** Broker addresses, `amqp://user:password@host:port/vhost`; tried in turn. One of `url` and `urls` is needed. */
  readonly url?: string;
  readonly urls?: readonly string[];
  /** Shown on the broker as the connection's name. */
  readonly service: string;
  /** `control_exchange`, for contracts that name no exchange. Default `openstack`. */
  readonly controlExchange?: string;
  /** The Python classes that codes of ServiceErrors stand for: what a handler throws arrives in Python as the class, and back. */
  readonly pythonClasses?: PythonClasses;
  /** AMQP heartbeat in seconds. Default 30. */
  readonly heartbeatSeconds?: number;
  /** How long the first connection may take before `connectOslo` rejects; milliseconds, Infinity to wait for ever. Default 30 000. */
  readonly startWaitMs?: number;
  /** The first wait before another attempt, doubled each time, with full jitter; milliseconds. Default 100. */
  readonly retryBaseMs?: number;
  /** The longest wait before another attempt; milliseconds. Default 10 000. */
  readonly retryCapMs?: number;
}

/** As `defaultLimits`, but with room for Python's larger messages, and its `rpc_response_timeout`. */
export const defaultOsloLimits: OsloLimits = {
  maxMessageBytes: 1_048_576,
  maxCalls: defaultLimits.maxCalls,
  maxUnconfirmed: defaultLimits.maxUnconfirmed,
  connectWaitMs: defaultLimits.connectWaitMs,
  confirmWaitMs: defaultLimits.confirmWaitMs,
  callTimeoutMs: 60_000,
  duplicateWindow: 10_000,
  duplicateWindowMs: 300_000,
};

const DEFAULTS = { controlExchange: 'openstack', heartbeatSeconds: 30, startWaitMs: 30_000, retryBaseMs: 100, retryCapMs: 10_000 };
const REFUSED = 403;
/** While starting, a refusal is looked for this often; milliseconds. */
const LOOK_MS = 100;

/**
 * A transport to and from services that speak oslo.messaging 2.0 over RabbitMQ. Settles when connected; afterwards it
 * reconnects by itself until closed.
 *
 * @throws TypeError for options that cannot work; NotAuthorized when the broker refuses the account; Unreachable when
 *   there was no connection within `startWaitMs`.
 */
export async function connectOslo(options: OsloOptions): Promise<OsloTransport> {
  const urls = options.urls ?? (options.url === undefined ? [] : [options.url]);
  if (urls.length === 0) throw new TypeError('connectOslo: expected url, or urls with at least one address');
  for (const url of urls) {
    if (!URL.canParse(url) || !/^amqps?:$/.test(new URL(url).protocol))
      throw new TypeError('connectOslo: expected addresses like amqp://user:password@host:5672/vhost');
  }
  const { startWaitMs, ...settings } = withDefaults(DEFAULTS, options);
  const limits = withDefaults(defaultOsloLimits, options);
  const queues = withDefaults(defaultQueues, options);
  for (const [name, value] of Object.entries({ ...limits, transientTtlSeconds: queues.transientTtlSeconds }))
    if (!(value > 0)) throw new TypeError(`connectOslo: ${name}: expected a number above 0, got ${value}`);
  const transport = new OsloTransport({
    ...settings,
    urls,
    service: options.service,
    pythonClasses: options.pythonClasses ?? {},
    limits,
    environment: environment(options),
    topology: new OsloTopology(queues),
  });
  await firstConnection(transport, startWaitMs);
  return transport;
}

async function firstConnection(transport: OsloTransport, startWaitMs: number): Promise<void> {
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

const withDefaults = <T extends object>(defaults: T, given: Partial<T>): T =>
  Object.fromEntries(Object.entries(defaults).map(([name, value]) => [name, given[name as keyof T] ?? value])) as T;
