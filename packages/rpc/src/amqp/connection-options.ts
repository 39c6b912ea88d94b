import { checkPositive, withDefaults } from '../options.ts';

/** How a process comes to its broker and stays there. */
export interface ConnectionOptions {
  /** Broker addresses, `amqp://user:password@host:port/vhost`; tried in turn. One of `url` and `urls` is needed. */
  readonly url?: string;
  readonly urls?: readonly string[];
  /** AMQP heartbeat in seconds. Default 30. */
  readonly heartbeatSeconds?: number;
  /** How long the first connection may take before connecting rejects; milliseconds, Infinity to wait for ever. Default 30 000. */
  readonly startWaitMs?: number;
  /** The first wait before another attempt, doubled each time, with full jitter; milliseconds. Default 100. */
  readonly retryBaseMs?: number;
  /** The longest wait before another attempt; milliseconds. Default 10 000. */
  readonly retryCapMs?: number;
}

/** What a `Connection` is made with. */
export interface ConnectionSettings {
  readonly urls: readonly string[];
  readonly heartbeatSeconds: number;
  readonly startWaitMs: number;
  readonly retryBaseMs: number;
  readonly retryCapMs: number;
}

const DEFAULTS = { heartbeatSeconds: 30, startWaitMs: 30_000, retryBaseMs: 100, retryCapMs: 10_000 };

/**
 * @param who the function that was called, for its errors
 * @throws TypeError for options that cannot work; an address, which holds a password, is never in it
 */
export function connectionSettings(who: string, options: ConnectionOptions): ConnectionSettings {
  const urls = options.urls ?? (options.url === undefined ? [] : [options.url]);
  if (urls.length === 0) throw new TypeError(`${who}: expected url, or urls with at least one address`);
  for (const url of urls) {
    if (!URL.canParse(url) || !/^amqps?:$/.test(new URL(url).protocol))
      throw new TypeError(`${who}: expected addresses like amqp://user:password@host:5672/vhost`);
  }
  const numbers = withDefaults(DEFAULTS, options);
  checkPositive(who, numbers);
  return { urls, ...numbers };
}
