import type { Transport } from '@kilonova/rpc';

/** The broker of the control plane that is measured. */
export interface BrokerTarget {
  /** Its address with an account that may declare queues. */
  readonly url: string;
  /** As the agent of the host does, by another way: `through` takes the straight address. */
  connectHost(host: string, through: (url: string) => string): Promise<Transport>;
  /** As a service that may ask the conductor. */
  connectTrusted(): Promise<Transport>;
  /** Accounts that conductors use. */
  readonly trustedCallers: readonly string[];
}

/** wire: connections go through this process, which cuts them. operator: they go straight, and somebody restarts the broker. */
export type Cut = 'wire' | 'operator';
