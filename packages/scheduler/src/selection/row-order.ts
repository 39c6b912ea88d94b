/**
 * Rows with the best one known at any time: a tree of matches, in which each node names the better of its two children. A
 * row that comes, goes or changes its score plays its matches anew, one for each level; no other row is looked at.
 */
import type { Scores } from './scores.ts';

const NONE = -1;

export class RowOrder {
  readonly #scores: Scores;
  /** Node 1 is the root, the children of n are 2n and 2n+1, the leaf of a row is `leaves + row`. */
  #winners = new Int32Array(2).fill(NONE);
  #leaves = 1;

  constructor(scores: Scores) {
    this.#scores = scores;
  }

  /** Undefined when no row is left. */
  get best(): number | undefined {
    const row = this.#winners[1]!;
    return row === NONE ? undefined : row;
  }

  /** Rows from 0 to here have a place. */
  get extent(): number {
    return this.#leaves;
  }

  /** Starts anew with those rows below `extent` that fit. */
  build(extent: number, fits: (row: number) => boolean): void {
    const leaves = 2 ** Math.ceil(Math.log2(Math.max(1, extent)));
    if (leaves !== this.#leaves) this.#winners = new Int32Array(2 * leaves);
    this.#leaves = leaves;
    for (let row = 0; row < leaves; row += 1) this.#winners[leaves + row] = row < extent && fits(row) ? row : NONE;
    for (let node = leaves - 1; node > 0; node -= 1) this.#winners[node] = this.#winnerOf(node);
  }

  /** To be called also when only the row's score changed. Several rows may have changed before the first is put. */
  put(row: number, member: boolean): void {
    const winners = this.#winners;
    let node = this.#leaves + row;
    winners[node] = member ? row : NONE;
    for (node >>>= 1; node > 0; node >>>= 1) {
      const winner = this.#winnerOf(node);
      // Whom the nodes above know is neither this row nor anyone who met it.
      if (winner === winners[node] && winner !== row) return;
      winners[node] = winner;
    }
  }

  #winnerOf(node: number): number {
    const left = this.#winners[2 * node]!;
    const right = this.#winners[2 * node + 1]!;
    if (left === NONE) return right;
    return right === NONE || this.#scores.before(left, right) ? left : right;
  }
}
