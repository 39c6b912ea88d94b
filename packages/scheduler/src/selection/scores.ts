/**
 * Each host's score, whatever is asked for: what the weighers say, times their multipliers, summed. A score depends on its
 * host alone (and on the largest host there is), so that it is kept and mended for the rows that changed.
 */
import type { HostState } from '@kilonova/objects';
import type { Random } from '@kilonova/runtime';
import { smallestOfAggregates } from '../aggregate-metadata.ts';
import type { HostTable } from '../snapshot/host-table.ts';
import type { RowNumbers } from '../snapshot/row-numbers.ts';
import type { HostWeigher, RequestWeigher } from '../weigher.ts';

export type Multipliers = Readonly<Record<HostWeigher['name'] | RequestWeigher['name'], number>>;

/** Aggregate metadata overrides a multiplier, the smallest of several winning. */
export function multiplierOf(hosts: HostTable, name: keyof Multipliers, multipliers: Multipliers): (row: number) => number {
  const key = `${name}_weight_multiplier`;
  const overrides: RowNumbers = hosts.numbersOf(key, (host: HostState) => smallestOfAggregates(host, key));
  const configured = multipliers[name];
  return (row) => overrides.of(row) ?? configured;
}

export class Scores {
  readonly #hosts: HostTable;
  readonly #weighers: readonly HostWeigher[];
  readonly #multipliers: Multipliers;
  /** Gives rows of equal score an order of this process's own, lest all schedulers choose alike. */
  readonly #salt: number;
  #scores = new Float64Array(0);
  #largest: object | undefined;
  #mark = -1;
  #epoch = 0;

  constructor(hosts: HostTable, weighers: readonly HostWeigher[], multipliers: Multipliers, random: Random) {
    this.#hosts = hosts;
    this.#weighers = weighers;
    this.#multipliers = multipliers;
    this.#salt = Math.floor(random.next() * 2 ** 32);
  }

  /** Another one means that any score may have changed, not only those of changed rows. */
  get epoch(): number {
    return this.#epoch;
  }

  of(row: number): number {
    return this.#scores[row]!;
  }

  /** Does `row` come before `other`? */
  before(row: number, other: number): boolean {
    const [score, others] = [this.#scores[row]!, this.#scores[other]!];
    return score > others || (score === others && this.tieOf(row) < this.tieOf(other));
  }

  /** The smaller one comes first among equals. */
  tieOf(row: number): number {
    let mixed = Math.imul(row ^ this.#salt, 0x9e3779b1);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x85ebca6b);
    return (mixed ^ (mixed >>> 13)) >>> 0;
  }

  /** Brings the scores of changed rows up to date. */
  catchUp(): void {
    const { changed, extent } = this.#hosts;
    const largest = this.#hosts.largest();
    if (this.#mark === changed.mark && this.#largest === largest) return;
    const score = this.#compile();
    if (this.#scores.length < extent) this.#grow(extent);
    const mended = this.#largest === largest && changed.replay(this.#mark, score);
    if (!mended) {
      for (let row = 0; row < extent; row += 1) score(row);
      this.#epoch += 1;
    }
    this.#largest = largest;
    this.#mark = changed.mark;
  }

  #compile(): (row: number) => void {
    const hosts = this.#hosts;
    const parts = this.#weighers.map(({ name, weight }) => ({ weight, multiplier: multiplierOf(hosts, name, this.#multipliers) }));
    return (row) => {
      if (hosts.at(row) === undefined) return;
      let sum = 0;
      for (const { weight, multiplier } of parts) sum += multiplier(row) * weight(hosts, row);
      // An operator's "inf" must not leave rows without an order.
      this.#scores[row] = Number.isNaN(sum) ? -Infinity : sum;
    };
  }

  #grow(extent: number): void {
    const grown = new Float64Array(Math.max(extent, this.#scores.length * 2));
    grown.set(this.#scores);
    this.#scores = grown;
  }
}
