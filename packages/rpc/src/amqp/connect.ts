import { environment, type Environment } from '../environment.ts';
import { checkPositive, withDefaults } from '../options.ts';
import { defaultLimits, type Transport, type TransportLimits } from '../transport.ts';
import { checkServerName } from '../wire/wire.ts';
import { connectionSettings, type ConnectionOptions } from './connection-options.ts';
import { Topology, type AnswersFrom } from './topology.ts';
import { AmqpTransport } from './transport.ts';

/** How a process comes to RabbitMQ, what it is called there, and its limits. */
export interface AmqpOptions extends ConnectionOptions, Partial<Environment>, Partial<TransportLimits> {
  readonly service: string;
  /** Stable for the process, distinct among those of its service. */
  readonly id: string;
  /** The first part of every name on the broker. Default `kilonova`. */
  readonly namespace?: string;
  /** `classic` for a single broker, `quorum` for a cluster. */
  readonly queues: 'classic' | 'quorum';
  /** True for an account without the right to declare: it asks the steward to do so. */
  readonly steward?: boolean;
  /**
   * `trusted` for a process that no account with `steward` ever answers: one binding less, of the costly kind, where thousands
   * come at once. With `steward` its queue has what the grant says. Default `all`.
   */
  readonly answersFrom?: AnswersFrom;
  /**
   * True: answers come into the queue of the first server address that is listened to, instead of one of their own, which is a third less
   * for the broker where thousands come at once. Until then it is not `connected`, and calls wait. Without effect with `steward` or
   * `quorum`. Default false.
   */
  readonly oneQueue?: boolean;
  /**
   * `quorum` only: for how long it is doubted that a queue has lost all its listeners, since one that changes its leader
   * says so, too; a queue that never had any is believed at once. Milliseconds. Default 1 000.
   */
  readonly absenceDoubtMs?: number;
  /**
   * Queues of a process that is gone expire after this; milliseconds. An argument of the queues: all processes of a
   * namespace say the same, or the broker refuses them. Default 60 000.
   */
  readonly unusedQueueMs?: number;
}

const DEFAULTS = { absenceDoubtMs: 1_000, unusedQueueMs: 60_000 };

const NAMESPACE = /^[a-z][a-z0-9-]{0,30}$/;

/**
 * Settles when connected, with everything declared. Afterwards it reconnects by itself until closed.
 *
 * @throws TypeError for options that cannot work; NotAuthorized when the broker refuses the account; Unreachable when
 *   there was no connection within `startWaitMs`.
 */
export async function connectAmqp(options: AmqpOptions): Promise<Transport> {
  const { service, id, queues, namespace = 'kilonova', steward = false, answersFrom = 'all', oneQueue = false } = options;
  const connection = connectionSettings('connectAmqp', options);
  const limits = withDefaults(defaultLimits, options);
  const { absenceDoubtMs, unusedQueueMs } = withDefaults(DEFAULTS, options);
  checkPositive('connectAmqp', { ...limits, absenceDoubtMs, unusedQueueMs });
  if (!NAMESPACE.test(namespace)) throw new TypeError(`connectAmqp: namespace ${JSON.stringify(namespace)}: expected a lower-case word`);
  checkServerName(service);
  checkServerName(id);
  const transport = new AmqpTransport({
    service,
    id,
    steward,
    answersFrom,
    oneQueue: oneQueue && !steward && queues === 'classic',
    limits,
    absenceDoubtMs,
    environment: environment(options),
    topology: new Topology(namespace, queues, unusedQueueMs),
    connection,
  });
  await transport.open();
  return transport;
}
