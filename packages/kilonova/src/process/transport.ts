import { hostname } from 'node:os';
import { connectAmqp, onRefused, type AmqpOptions, type Transport } from '@kilonova/rpc';
import type { Surroundings } from '@kilonova/runtime';
import { brokerUrls, type BrokerConfig, type TrustedRole } from '../config/broker.ts';
import { rpcMetrics } from './rpc-metrics.ts';

/** Distinct among the processes of a service: machine and process. Dots part words of a routing key. */
const processId = () => `${hostname().replaceAll('.', '-')}-${process.pid}`;

/** The connection of a process, or of one agent of it, to RabbitMQ. Throws when there is none after broker.start_wait_ms. */
export async function connectBroker(
  config: BrokerConfig,
  who: { readonly role: TrustedRole } | { readonly host: string },
  { clock, random, log, metrics }: Surroundings,
  waiting: Pick<AmqpOptions, 'waitForSteward' | 'onWaiting'> = {},
): Promise<Transport> {
  const {
    namespace,
    queues,
    accounts,
    pin: _pin,
    urls: _urls,
    apiPassword: _api,
    conductorPassword: _conductor,
    schedulerPassword: _scheduler,
    hostPasswords: _hosts,
    hostRetryBaseMs,
    hostRetryCapMs,
    ...limits
  } = config;
  const transport = await connectAmqp({
    ...limits,
    // No host asks another one.
    ...('host' in who && { retryBaseMs: hostRetryBaseMs, retryCapMs: hostRetryCapMs, answersFrom: 'trusted' as const, oneQueue: true }),
    urls: brokerUrls(config, who),
    service: 'role' in who ? who.role : 'compute',
    id: 'role' in who ? processId() : who.host,
    namespace,
    queues,
    steward: 'host' in who && accounts === 'separate',
    clock,
    random,
    log,
    metrics: rpcMetrics(metrics),
    ...waiting,
  });
  // The task that cast it goes on by its deadline; what it ran into is for a person to know.
  onRefused(transport, ({ error, ...cast }) => log.error({ ...cast, code: error.code, reason: error.message }, 'a cast was refused'));
  return transport;
}

/** What an operator said; else each service finds out what its peers understand. */
export const pinOf = ({ pin }: Pick<BrokerConfig, 'pin'>): { readonly pin?: string } => (pin === '' ? {} : { pin });
