/**
 * The best hosts for one request, out of the order of its class. What this request alone rules out is met on the way and set
 * aside until the end; what it weighs differently stands in a short order of its own, beside the long one.
 */
import type { RequestTest, RowTest } from '../filter.ts';
import type { RowWeights } from '../weigher.ts';
import { BestFirst, ranksBefore, type Ranked } from './best-first.ts';
import type { RowOrder } from './row-order.ts';
import type { Scores } from './scores.ts';

/** What the request adds to the score of some rows. */
export interface Weighted {
  readonly weights: RowWeights;
  readonly multiplier: (row: number) => number;
}

export interface SearchParts {
  readonly order: RowOrder;
  readonly scores: Scores;
  /** By its class. */
  readonly fits: RowTest;
  readonly tests: readonly RequestTest[];
  readonly weighted: readonly Weighted[];
}

export class Search {
  readonly #parts: SearchParts;
  /** Taken out of the class's order until the end. */
  readonly #out = new Set<number>();
  readonly #weighed = new BestFirst();

  constructor(parts: SearchParts) {
    this.#parts = parts;
    for (const { weights } of parts.weighted) for (const row of weights.rows) this.#weigh(row);
  }

  /** Up to so many, the best first. Rows that are not given back are not found again. */
  take(count: number): number[] {
    const only = this.#only();
    return only === undefined ? this.#fromOrder(count) : this.#among(only, count);
  }

  /** After `take`; `chosen` has just got an instance. */
  giveBack(rows: readonly number[], chosen: number | undefined): void {
    const { order, fits, weighted } = this.#parts;
    for (const row of rows) {
      if (this.#out.has(row) || (row === chosen && weighted.length > 0)) this.#weigh(row);
      else order.put(row, row !== chosen || fits(row));
    }
  }

  /** Leaves the order of the class as others expect it. */
  end(): void {
    const { order, fits } = this.#parts;
    for (const row of this.#out) order.put(row, fits(row));
  }

  /** Each filter may name the only rows that can pass: the fewest of them are enough to look at. */
  #only(): readonly number[] | undefined {
    let fewest: readonly number[] | undefined;
    for (const { only } of this.#parts.tests) {
      const rows = only?.();
      if (rows !== undefined && (fewest === undefined || rows.length < fewest.length)) fewest = rows;
    }
    return fewest;
  }

  #among(rows: readonly number[], count: number): number[] {
    const ranked = rows.filter((row) => this.#parts.fits(row) && this.#passes(row)).map((row) => this.#rank(row));
    return ranked
      .toSorted((a, b) => (ranksBefore(a, b) ? -1 : 1))
      .slice(0, count)
      .map(({ row }) => row);
  }

  #fromOrder(count: number): number[] {
    const found: number[] = [];
    while (found.length < count) {
      const row = this.#next();
      if (row === undefined) break;
      if (this.#passes(row)) found.push(row);
      // No later instance of this request can pass where an earlier one did not.
      else this.#out.add(row);
    }
    return found;
  }

  #next(): number | undefined {
    const { order, scores } = this.#parts;
    const row = order.best;
    const weighed = this.#weighed.best;
    if (weighed !== undefined && (row === undefined || ranksBefore(weighed, { row, score: scores.of(row), tie: scores.tieOf(row) }))) {
      this.#weighed.pop();
      return weighed.row;
    }
    if (row !== undefined) order.put(row, false);
    return row;
  }

  #weigh(row: number): void {
    const { order, fits } = this.#parts;
    if (!this.#out.has(row)) order.put(row, false);
    this.#out.add(row);
    if (fits(row)) this.#weighed.push(this.#rank(row));
  }

  #passes(row: number): boolean {
    for (const { test } of this.#parts.tests) if (!test(row)) return false;
    return true;
  }

  #rank(row: number): Ranked {
    const { scores, weighted } = this.#parts;
    let score = scores.of(row);
    for (const { weights, multiplier } of weighted) score += multiplier(row) * weights.of(row);
    return { row, score, tie: scores.tieOf(row) };
  }
}
