/**
 * Scores of the candidates of one request. The bounds that bring raw weights to 0..1 are taken once, over the candidates
 * as they were when the request came; a row that got an instance is scored anew within the same bounds.
 */
import type { HostRequest } from '@kilonova/objects';
import { smallestOfAggregates } from '../aggregate-metadata.ts';
import type { Candidates } from '../filter.ts';
import type { HostTable } from '../snapshot/host-table.ts';
import type { HostWeigher } from '../weigher.ts';

export type Multipliers = Readonly<Record<HostWeigher['name'], number>>;

interface Bounds {
  /** Of the multiplier in aggregate metadata. */
  readonly key: string;
  readonly weight: (row: number) => number;
  readonly lowest: number;
  readonly span: number;
  readonly fallback: number;
}

export class Scores {
  readonly #hosts: HostTable;
  readonly #bounds: readonly Bounds[];

  constructor(
    request: HostRequest,
    candidates: Candidates,
    rows: readonly number[],
    weighers: readonly HostWeigher[],
    multipliers: Multipliers,
  ) {
    this.#hosts = candidates.hosts;
    this.#bounds = weighers.flatMap(({ name, compile }): Bounds[] => {
      const weight = compile(request, candidates);
      if (weight === undefined) return [];
      let lowest = Infinity;
      let highest = -Infinity;
      for (const row of rows) {
        const found = weight(row);
        if (found < lowest) lowest = found;
        if (found > highest) highest = found;
      }
      // Among equals a placement must still count: then the weight itself is the measure.
      const span = highest > lowest ? highest - lowest : Math.max(1, Math.abs(highest));
      return [{ key: `${name}_weight_multiplier`, weight, lowest, span, fallback: multipliers[name] }];
    });
  }

  of(row: number): number {
    const host = this.#hosts.at(row)!;
    let sum = 0;
    for (const { key, weight, lowest, span, fallback } of this.#bounds) {
      const multiplier = host.aggregates.length === 0 ? fallback : (smallestOfAggregates(host, key) ?? fallback);
      sum += (multiplier * (weight(row) - lowest)) / span;
    }
    return sum;
  }
}
