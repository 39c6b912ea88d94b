import type { Clock, Environment, Random } from '../environment.ts';
import type { Transport, TransportLimits } from '../transport.ts';

/** Shares of messages, 0 to 1, that meet with a fault. */
export interface Faults {
  readonly lose?: number;
  readonly double?: number;
  /** Messages wait a random time up to this; milliseconds. Different waits reorder. */
  readonly delayMs?: number;
}

export class InProcessBroker {
  constructor(_options: Partial<Environment> & { clock?: Clock; random?: Random; faults?: Faults } = {}) {}

  connect(_options: { service: string; id: string; user?: string } & Partial<TransportLimits>): Transport {
    throw new Error('not built yet');
  }
}
