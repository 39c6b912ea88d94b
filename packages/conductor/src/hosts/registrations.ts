import type { HostRegistration } from '@kilonova/objects';
import { DeadlineExceeded, type Context } from '@kilonova/rpc';
import { noteHosts } from '../db/liveness.ts';
import { unchangedHosts } from '../db/unchanged-hosts.ts';
import { isUnavailable } from '../db/unavailable.ts';
import type { Services } from '../services.ts';
import { Gatherer } from '../tasks/engine/gatherer.ts';
import { Places } from '../tasks/engine/places.ts';
import { checkRegistration, hostsReturned, writeRegistration } from './registration.ts';

interface Waiting {
  readonly registration: HostRegistration;
  /** On the wall clock. */
  readonly deadline: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** They all may share a batch. */
const KIND = 'register';

/**
 * Registrations that come at the same time are settled together. When a broker returns, every host of the cloud registers
 * within a minute, and nothing changed about nearly all of them: for those it is a sign of life, in a few statements for
 * any number of hosts, and no news for schedulers. Each of the others is written by itself.
 */
export class Registrations {
  readonly #services: Services;
  readonly #ring: () => void;
  readonly #waiting: Gatherer<Waiting>;

  /** @param ring tells the cleaner that removals are due */
  constructor(services: Services, ring: () => void) {
    const { registerBatch: batch, registerConcurrency: concurrency } = services.config.conductor;
    const places = new Places({ concurrency, patienceMs: 0, clock: services.clock });
    this.#services = services;
    this.#ring = ring;
    this.#waiting = new Gatherer({ batch, places }, (all) => this.#settle(all));
  }

  /** @throws NotAuthorized, InvalidInput, Conflict, DeadlineExceeded */
  async take(context: Pick<Context, 'caller' | 'deadline'>, registration: HostRegistration): Promise<void> {
    checkRegistration(this.#services, context, registration);
    return new Promise((resolve, reject) => this.#waiting.push(KIND, { registration, deadline: context.deadline, resolve, reject }));
  }

  /** Never rejects. */
  async #settle(gathered: readonly Waiting[]): Promise<void> {
    const all = this.#dropLate(gathered);
    if (all.length === 0) return;
    try {
      const unchanged = await this.#noteUnchanged(all.map(({ registration }) => registration));
      const settled = await Promise.allSettled(
        all.map(async ({ registration }) => {
          if (!unchanged.has(registration.host)) await writeRegistration(this.#services, registration);
        }),
      );
      const back = all.filter((_, index) => settled[index]!.status === 'fulfilled');
      if (back.length > 0) {
        await hostsReturned(
          this.#services,
          back.map(({ registration }) => registration.host),
        );
        this.#ring();
      }
      for (const [index, { resolve, reject }] of all.entries()) {
        const outcome = settled[index]!;
        if (outcome.status === 'fulfilled') resolve();
        else reject(outcome.reason);
      }
    } catch (error) {
      for (const { reject } of all) reject(error);
    }
  }

  /** Nobody waits for the answer to these any more, and another process of the host may have registered since. */
  #dropLate(gathered: readonly Waiting[]): readonly Waiting[] {
    const now = this.#services.clock.now();
    for (const { registration, deadline, reject } of gathered)
      if (deadline <= now)
        reject(new DeadlineExceeded(`registration of host ${registration.host}: its deadline passed before it was written`));
    return gathered.filter(({ deadline }) => deadline > now);
  }

  /** What one host says of itself must not hold up the others: where it cannot be read, each is looked at by itself. */
  async #noteUnchanged(registrations: readonly HostRegistration[]): Promise<ReadonlySet<string>> {
    const { knex, config, publisher, log } = this.#services;
    let unchanged: readonly string[];
    try {
      unchanged = await unchangedHosts(knex, registrations, config.conductor);
    } catch (error) {
      if (isUnavailable(error)) throw error;
      log.warn({ error: String(error), hosts: registrations.length }, 'registrations not compared');
      return new Set();
    }
    if (unchanged.length === 0) return new Set();
    const { known, risen } = await noteHosts(knex, unchanged);
    publisher.hostsTouched(risen);
    return new Set(known);
  }
}
