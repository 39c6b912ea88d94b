/**
 * Looks again and again whether what must hold does hold, and puts right what can be. A finding is a mistake of ours (or of
 * whoever wrote into the database): it is counted, logged, and repaired when it was there in two looks, one after the other.
 */
import { Counter, Gauge } from 'prom-client';
import { invariants, type Invariant, type Violation } from '../db/invariants/index.ts';
import { isUnavailable } from '../db/unavailable.ts';
import type { Services } from '../services.ts';
import { Loop } from '../tasks/engine/loop.ts';

export class InvariantWatch {
  readonly #services: Services;
  readonly #violations: Gauge<'invariant'>;
  readonly #repairs: Counter<'invariant'>;
  /** Subjects of the last look, by invariant. */
  readonly #seen = new Map<string, ReadonlySet<string>>();
  #loop: Loop | undefined;

  constructor(services: Services) {
    const registers = [services.metrics];
    this.#services = services;
    this.#violations = new Gauge({
      ...{ name: 'kilonova_invariant_violations', help: 'Where what must always hold did not hold at the last look.' },
      ...{ labelNames: ['invariant'], registers },
    });
    this.#repairs = new Counter({
      ...{ name: 'kilonova_invariant_repairs_total', help: 'Violations that were put right.' },
      ...{ labelNames: ['invariant'], registers },
    });
  }

  start(): void {
    this.#loop = new Loop('invariants', this.#services.config.conductor.invariantsMs, this.#services, (signal) => this.look(signal));
  }

  async stop(): Promise<void> {
    await this.#loop?.stop();
  }

  /** One look at all of them. */
  async look(signal: AbortSignal): Promise<void> {
    for (const invariant of invariants) {
      if (signal.aborted) return;
      try {
        await this.#check(invariant);
      } catch (error) {
        if (isUnavailable(error)) return;
        this.#services.log.warn({ invariant: invariant.name, error: String(error) }, 'invariant not checked');
      }
    }
  }

  async #check(invariant: Invariant): Promise<void> {
    const { knex, config, log } = this.#services;
    const { invariantFindings: limit, overdueTaskMs: overdueMs } = config.conductor;
    const found = await invariant.find(knex, { limit, overdueMs });
    this.#violations.set({ invariant: invariant.name }, found.length);
    const before = this.#seen.get(invariant.name);
    this.#seen.set(invariant.name, new Set(found.map(({ subject }) => subject)));
    for (const violation of found) {
      const { subject, detail } = violation;
      const lasting = before?.has(subject) === true;
      if (!lasting) log.error({ invariant: invariant.name, subject, detail }, 'an invariant does not hold');
      else if (config.conductor.repairInvariants) await this.#repair(invariant, violation);
    }
  }

  async #repair({ name, repair }: Invariant, violation: Violation): Promise<void> {
    if (repair === undefined) return;
    const { knex, publisher, log } = this.#services;
    const { hosts = [] } = await knex.transaction((trx) => repair(trx, violation));
    publisher.hostsTouched(hosts);
    this.#repairs.inc({ invariant: name });
    log.warn({ invariant: name, subject: violation.subject }, 'repaired');
  }
}
