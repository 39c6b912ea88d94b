import type { CreateServers, ServersCreated } from '@kilonova/objects';
import { isUnavailable } from '../db/unavailable.ts';
import type { Services } from '../services.ts';
import { Gatherer } from '../tasks/engine/gatherer.ts';
import { admitCreates } from './create-servers.ts';

interface Waiting {
  readonly request: CreateServers;
  readonly resolve: (created: ServersCreated) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Lets create requests that come at the same time share a transaction: one that is alone goes at once, and while all
 * transactions are busy the next batch grows. How many wait is bounded by the server's limits on requests in hand.
 */
export class CreateGate {
  readonly #services: Services;
  readonly #waiting: Gatherer<Waiting>;

  constructor(services: Services) {
    const { admitBatch: batch, admitConcurrency: concurrency } = services.config.conductor;
    this.#services = services;
    this.#waiting = new Gatherer({ batch, concurrency }, (all) => this.#admit(all));
  }

  /** @throws as `createServers`, or what the database throws */
  admit(request: CreateServers): Promise<ServersCreated> {
    return new Promise((resolve, reject) => this.#waiting.push('create', { request, resolve, reject }));
  }

  /** Never rejects. */
  async #admit(batch: readonly Waiting[]): Promise<void> {
    try {
      const outcomes = await admitCreates(
        this.#services,
        batch.map(({ request }) => request),
      );
      for (const [index, outcome] of outcomes.entries()) {
        const waiting = batch[index]!;
        if (outcome === 'again') this.#waiting.push('create', waiting);
        else if ('refused' in outcome) waiting.reject(outcome.refused);
        else waiting.resolve(outcome.created);
      }
    } catch (error) {
      if (batch.length === 1 || isUnavailable(error)) {
        for (const { reject } of batch) reject(error);
        return;
      }
      // One of them spoils the transaction of all; alone, each fares as it deserves.
      const middle = Math.ceil(batch.length / 2);
      await this.#admit(batch.slice(0, middle));
      await this.#admit(batch.slice(middle));
    }
  }
}
