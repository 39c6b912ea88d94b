import { connectionSettings, type ConnectionOptions } from '../amqp/connection-options.ts';
import { environment, type Environment } from '../environment.ts';
import { checkPositive, withDefaults } from '../options.ts';
import { defaultLimits } from '../transport.ts';
import type { PythonClasses } from './failure.ts';
import { defaultQueues, OsloTopology, type OsloQueues } from './topology.ts';
import { OsloTransport, type OsloLimits } from './transport.ts';

/** How a process comes to the broker of services that speak oslo.messaging. */
export interface OsloOptions extends ConnectionOptions, Partial<Environment>, Partial<OsloLimits>, Partial<OsloQueues> {
  /** Shown on the broker as the connection's name. */
  readonly service: string;
  /** `control_exchange`, for contracts that name no exchange. Default `openstack`. */
  readonly controlExchange?: string;
  /** The Python classes that codes of ServiceErrors stand for: what a handler throws arrives in Python as the class, and back. */
  readonly pythonClasses?: PythonClasses;
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

/**
 * A transport to and from services that speak oslo.messaging 2.0 over RabbitMQ. Settles when connected; afterwards it
 * reconnects by itself until closed.
 *
 * @throws TypeError for options that cannot work; NotAuthorized when the broker refuses the account; Unreachable when
 *   there was no connection within `startWaitMs`.
 */
export async function connectOslo(options: OsloOptions): Promise<OsloTransport> {
  const connection = connectionSettings('connectOslo', options);
  const limits = withDefaults(defaultOsloLimits, options);
  const queues = withDefaults(defaultQueues, options);
  checkPositive('connectOslo', { ...limits, transientTtlSeconds: queues.transientTtlSeconds }, ['duplicateWindowMs']);
  const { service, controlExchange = 'openstack', pythonClasses = {} } = options;
  const transport = new OsloTransport({
    service,
    controlExchange,
    pythonClasses,
    limits,
    environment: environment(options),
    topology: new OsloTopology(queues),
    connection,
  });
  await transport.open();
  return transport;
}
