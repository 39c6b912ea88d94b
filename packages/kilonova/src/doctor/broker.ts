import type { Surroundings } from '@kilonova/runtime';
import type { BrokerConfig } from '../config/broker.ts';
import { connectBroker } from '../process/transport.ts';

/** The wait of a start would be too long for somebody who asks. */
const WAIT_MS = 5_000;

/** Connects as a conductor does. Throws what is wrong. */
export async function examineBroker(config: BrokerConfig, around: Surroundings): Promise<string> {
  const transport = await connectBroker({ ...config, startWaitMs: Math.min(config.startWaitMs, WAIT_MS) }, { role: 'conductor' }, around);
  await transport.close();
  return `answers, with ${config.accounts === 'shared' ? 'one account for all (hosts are not kept apart)' : 'separate accounts'}`;
}
