import type { Transport } from '../transport.ts';

/** One name of one topic that an account may serve. */
export interface StewardGrant {
  readonly topic: string;
  readonly server: string;
}

/**
 * Declares and binds queues for accounts that may not do so themselves: when one asks, those of the grants that
 * `allow` gives for its broker-validated user id.
 */
export async function serveSteward(
  _transport: Transport,
  _options: { allow(userId: string): readonly StewardGrant[] | Promise<readonly StewardGrant[]> },
): Promise<{ stop(): Promise<void> }> {
  throw new Error('not built yet');
}
