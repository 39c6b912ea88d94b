/**
 * Scores of the candidates of one request. The bounds that bring raw weights to 0..1 are taken once, over the candidates
 * as they were when the request came; a row that got an instance is scored anew within the same bounds.
 */
import { smallestOfAggregates } from '../aggregate-metadata.ts';
import type { HostTable } from '../snapshot/host-table.ts';
import type { HostWeigher } from '../weigher.ts';

export type Multipliers = Readonly<Record<HostWeigher['name'], number>>;

interface Bounds {
  readonly weigher: HostWeigher;
  readonly lowest: number;
  readonly span: number;
  readonly fallback: number;
}

export class Scores {
  readonly #hosts: HostTable;
  readonly #bounds: readonly Bounds[];

  constructor(hosts: HostTable, rows: readonly number[], weighers: readonly HostWeigher[], multipliers: Multipliers) {
    this.#hosts = hosts;
    this.#bounds = weighers.map((weigher) => {
      let lowest = Infinity;
      let highest = -Infinity;
      for (const row of rows) {
        const weight = weigher.weight(row, hosts);
        if (weight < lowest) lowest = weight;
        if (weight > highest) highest = weight;
      }
      // Among equals a placement must still count: then the weight itself is the measure.
      const span = highest > lowest ? highest - lowest : Math.max(1, Math.abs(highest));
      return { weigher, lowest, span, fallback: multipliers[weigher.name] };
    });
  }

  of(row: number): number {
    const host = this.#hosts.at(row)!;
    let sum = 0;
    for (const { weigher, lowest, span, fallback } of this.#bounds) {
      const multiplier =
        host.aggregates.length === 0 ? fallback : (smallestOfAggregates(host, `${weigher.name}_weight_multiplier`) ?? fallback);
      sum += (multiplier * (weigher.weight(row, this.#hosts) - lowest)) / span;
    }
    return sum;
  }
}
