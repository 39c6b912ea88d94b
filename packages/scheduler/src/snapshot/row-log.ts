/**
 * The rows that changed, in order, the last so many of them. Who keeps something per row reads on from its mark, so that a
 * change costs nothing for what nobody asks for again.
 */
const LEAST = 256;

export class RowLog {
  #rows = new Int32Array(LEAST);
  /** How many changes there ever were. */
  #mark = 0;
  /** Changes before this one are forgotten. */
  #first = 0;

  /** Where a reader stands that has seen everything. */
  get mark(): number {
    return this.#mark;
  }

  add(row: number): void {
    this.#rows[this.#mark & (this.#rows.length - 1)] = row;
    this.#mark += 1;
    this.#first = Math.max(this.#first, this.#mark - this.#rows.length);
  }

  /** The rows since `mark`, some more than once. False when more changed than is remembered: then every row is to be read. */
  replay(mark: number, see: (row: number) => void): boolean {
    if (mark < this.#first) return false;
    for (let at = mark; at < this.#mark; at += 1) see(this.#rows[at & (this.#rows.length - 1)]!);
    return true;
  }

  /** Remembers at least so many. What was remembered until now is forgotten. */
  remember(changes: number): void {
    if (changes <= this.#rows.length) return;
    this.#rows = new Int32Array(2 ** Math.ceil(Math.log2(changes)));
    this.#first = this.#mark;
  }
}
