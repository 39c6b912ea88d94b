import type { Environment } from '../environment.ts';
import type { Transport, TransportLimits } from '../transport.ts';

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

/** Settles when connected, with everything declared. Afterwards reconnects by itself until closed. */
export async function connectAmqp(_options: AmqpOptions): Promise<Transport> {
  throw new Error('not built yet');
}
