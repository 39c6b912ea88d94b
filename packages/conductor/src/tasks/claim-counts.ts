import { Counter, type Registry } from 'prom-client';

/** How claims of new servers went: `first`, the host that the scheduler chose; one of its alternates; or `lost`, others were faster on all of them. */
const results = ['first', 'alternate', 'lost'] as const;
export type ClaimResult = (typeof results)[number];

export class ClaimCounts {
  readonly #counter: Counter;

  constructor(registry: Registry) {
    this.#counter = new Counter({
      name: 'kilonova_claims_total',
      help: 'Claims of new servers, by result: the host chosen first, an alternate, or lost to others.',
      labelNames: ['result'],
      registers: [registry],
    });
    for (const result of results) this.#counter.inc({ result }, 0);
  }

  add(counts: Readonly<Record<ClaimResult, number>>): void {
    for (const [result, count] of Object.entries(counts)) if (count > 0) this.#counter.inc({ result }, count);
  }
}
