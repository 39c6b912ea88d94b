/** A set of rows as bits; grows as rows are added. */
export class RowSet {
  #words = new Uint32Array(4);

  has(row: number): boolean {
    return ((this.#words[row >>> 5] ?? 0) & (1 << (row & 31))) !== 0;
  }

  put(row: number, member: boolean): void {
    const word = row >>> 5;
    if (word >= this.#words.length) {
      if (!member) return;
      const grown = new Uint32Array(Math.max(word + 1, this.#words.length * 2));
      grown.set(this.#words);
      this.#words = grown;
    }
    if (member) this.#words[word]! |= 1 << (row & 31);
    else this.#words[word]! &= ~(1 << (row & 31));
  }
}
