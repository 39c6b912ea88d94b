import { countHosts } from '../db/host-count.ts';
import type { Services } from '../services.ts';

/**
 * Over how long the hosts of this cloud come back when they lose the broker together: so that it is asked for as many connections a
 * second as it can serve. Without this, ten thousand come within seconds, most of them are not served before the broker's handshake
 * times out, and each attempt costs it nearly as much as one that succeeds.
 */
export class HostReturns {
  readonly #services: Pick<Services, 'knex' | 'clock' | 'config'>;
  #ms: Promise<number> | undefined;
  #countedAt = Number.NEGATIVE_INFINITY;

  constructor(services: Pick<Services, 'knex' | 'clock' | 'config'>) {
    this.#services = services;
  }

  /** Milliseconds. Hosts are counted at most every `host_count_ms`. @throws what the database throws */
  spreadMs(): Promise<number> {
    const { clock, config } = this.#services;
    const now = clock.monotonic();
    if (this.#ms === undefined || now - this.#countedAt >= config.conductor.hostCountMs) {
      this.#countedAt = now;
      const counting = this.#count();
      this.#ms = counting;
      counting.catch(() => {
        if (this.#ms === counting) this.#ms = undefined;
      });
    }
    return this.#ms;
  }

  async #count(): Promise<number> {
    const { knex, config } = this.#services;
    return Math.ceil(((await countHosts(knex)) * 1_000) / config.conductor.hostReturnsPerS);
  }
}
