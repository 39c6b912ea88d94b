import { checkPositive, withDefaults } from '../options.ts';
import { checkedUrls, type BrokerAccess, type BrokerAccessOptions } from './login.ts';

/** What is waited for: a broker that takes the connection, or the steward that declares our queues on it. */
export interface Waiting {
  readonly waitsFor: 'broker' | 'steward';
  readonly reason: string;
}

/** How a process comes to its broker and stays there. */
export interface ConnectionOptions extends BrokerAccessOptions {
  /** Bytes that wait in the process because the socket does not take them; above, messages wait, and fail as Busy. Default 32 MiB. */
  readonly maxPendingBytes?: number;
  /** AMQP heartbeat in seconds. Default 30. */
  readonly heartbeatSeconds?: number;
  /** How long one attempt to connect may take, the asking of `credentials` and `tls` included; milliseconds. Default 5 000. */
  readonly dialWaitMs?: number;
  /** How long `renew` waits for the messages in hand before it hands them back to the broker; milliseconds. Default 30 000. */
  readonly renewGraceMs?: number;
  /** How long the first connection may take before connecting rejects; milliseconds, Infinity to wait for ever. Default 30 000. */
  readonly startWaitMs?: number;
  /**
   * Without the right to declare: true to wait for a steward as long as it takes. `startWaitMs` then counts while no broker lets us in.
   * Default false.
   */
  readonly waitForSteward?: boolean;
  /** Told whenever a wait begins, with the reason: at the start, and when something is lost later on. */
  readonly onWaiting?: (waiting: Waiting) => void;
  /** The first wait before another attempt, doubled each time, with full jitter; milliseconds. Default 100. */
  readonly retryBaseMs?: number;
  /** The longest wait before another attempt; milliseconds. Default 10 000. */
  readonly retryCapMs?: number;
  /** An event loop that does not come round for so long is reported, as a warning and in `blocked_event_loop`; milliseconds, Infinity for never. Default 1 000. */
  readonly loopBlockedMs?: number;
}

/** What a `Connection` is made with. */
export interface ConnectionSettings extends BrokerAccess {
  readonly maxPendingBytes: number;
  readonly renewGraceMs: number;
  readonly startWaitMs: number;
  readonly waitForSteward: boolean;
  readonly onWaiting: ((waiting: Waiting) => void) | undefined;
  readonly retryBaseMs: number;
  readonly retryCapMs: number;
  readonly loopBlockedMs: number;
}

const DEFAULTS = {
  maxPendingBytes: 33_554_432,
  heartbeatSeconds: 30,
  dialWaitMs: 5_000,
  renewGraceMs: 30_000,
  startWaitMs: 30_000,
  retryBaseMs: 100,
  retryCapMs: 10_000,
  loopBlockedMs: 1_000,
};

/**
 * @param who the function that was called, for its errors
 * @throws TypeError for options that cannot work; an address, which holds a password, is never in it
 */
export function connectionSettings(who: string, options: ConnectionOptions): ConnectionSettings {
  const urls = checkedUrls(who, options);
  const numbers = withDefaults(DEFAULTS, options);
  checkPositive(who, numbers, ['startWaitMs', 'loopBlockedMs']);
  const { credentials, tls, waitForSteward = false, onWaiting } = options;
  return { urls, credentials, tls, waitForSteward, onWaiting, ...numbers };
}
