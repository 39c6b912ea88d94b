import type { Transport, Waiting } from '@kilonova/rpc';
import type { Surroundings } from '@kilonova/runtime';
import type { BrokerConfig } from '../config/broker.ts';
import { connectBroker } from './transport.ts';

const FOR_A_CONDUCTOR = 'waits for a conductor to declare its queues';

/**
 * The connection of a host's agent. The broker is waited for as in `connectBroker`; a conductor, which declares the queues
 * of a host with an account of its own, as long as it takes, as by an agent that shares an account.
 *
 * @param say told what is waited for until there is a connection, and undefined then
 */
export async function connectHost(
  config: BrokerConfig,
  host: string,
  around: Surroundings,
  say: (reason: string | undefined) => void,
): Promise<Transport> {
  const onWaiting = ({ waitsFor, reason }: Waiting) => {
    if (waitsFor === 'steward') around.log.warn({ host, reason }, FOR_A_CONDUCTOR);
    say(`${waitsFor === 'steward' ? FOR_A_CONDUCTOR : 'no connection to the broker'}: ${reason}`);
  };
  const transport = await connectBroker(config, { host }, around, { waitForSteward: true, onWaiting });
  say(undefined);
  return transport;
}
