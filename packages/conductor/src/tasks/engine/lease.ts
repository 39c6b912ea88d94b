import type { Clock, Logger } from '@kilonova/runtime';
import type { Database } from '../../db/connection.ts';
import * as conductors from '../../db/conductors.ts';
import { Loop } from './loop.ts';

export interface LeaseOptions {
  readonly knex: Database;
  readonly clock: Clock;
  readonly log: Logger;
  readonly id: string;
  readonly host: string;
  readonly leaseMs: number;
  readonly renewMs: number;
  /** Everything that was ours may be someone else's now. */
  readonly onLost: () => void;
}

/**
 * The process's right to move tasks. Fencing does not depend on this clock: every transaction proves the epoch in the
 * database. What stands here only lets a process that lost its lease stop at once.
 */
export class Lease {
  readonly #options: LeaseOptions;
  #owner: conductors.Ownership | null = null;
  #renewedAt = -Infinity;
  #loop: Loop | undefined;

  constructor(options: LeaseOptions) {
    this.#options = options;
  }

  /** null: no work may be begun now. */
  get owner(): conductors.Ownership | null {
    return this.#options.clock.monotonic() - this.#renewedAt < this.#options.leaseMs ? this.#owner : null;
  }

  async start(): Promise<void> {
    await this.#enter();
    this.#loop = new Loop('lease', this.#options.renewMs, this.#options, () => this.#renew());
  }

  /** Gives the lease up; tasks must have been handed back before. */
  async stop(): Promise<void> {
    await this.#loop?.stop();
    const owner = this.#owner;
    this.#owner = null;
    if (owner !== null) await conductors.leave(this.#options.knex, owner);
  }

  async #enter(): Promise<void> {
    const { knex, clock, id, host, leaseMs } = this.#options;
    const at = clock.monotonic();
    this.#owner = await conductors.enter(knex, { id, host, leaseMs });
    this.#renewedAt = at;
  }

  async #renew(): Promise<void> {
    const { knex, clock, log, leaseMs, onLost } = this.#options;
    const at = clock.monotonic();
    if (this.#owner !== null && (await conductors.renew(knex, this.#owner, leaseMs))) {
      this.#renewedAt = at;
      return;
    }
    if (this.#owner !== null) {
      log.error({ conductor: this.#owner.id, epoch: this.#owner.epoch }, 'lease lost');
      this.#owner = null;
      onLost();
    }
    await this.#enter();
  }
}
