import type { hostReportsContract } from '@kilonova/objects';
import { Empty, type Client, type Transport } from '@kilonova/rpc';
import type { Logger } from '@kilonova/runtime';
import type { ComputeOptions } from '../config.ts';

export interface HostReturnParts {
  readonly config: ComputeOptions;
  readonly client: Client<typeof hostReportsContract>;
  readonly transport: Transport;
  readonly log: Logger;
}

/**
 * Asks the conductor over how long the hosts of the cloud come back when they lose the broker together, and has the connection of this one do
 * so. Never rejects: without an answer it stays as it was.
 */
export async function askHostReturn({ config, client, transport, log }: HostReturnParts): Promise<void> {
  try {
    const { spreadMs } = await client.hostReturn(new Empty(), { timeoutMs: config.callTimeoutMs });
    transport.returnWithin(Math.min(spreadMs, config.returnMaxMs));
  } catch (error) {
    log.debug({ reason: (error as Error).message }, 'not told how hosts return');
  }
}
