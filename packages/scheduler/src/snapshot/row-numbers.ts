/** A number for each row that has one; grows as rows are added. */
export class RowNumbers {
  #numbers = new Float64Array(64).fill(Number.NaN);

  of(row: number): number | undefined {
    const number = this.#numbers[row];
    return number === undefined || Number.isNaN(number) ? undefined : number;
  }

  put(row: number, number: number | undefined): void {
    if (row >= this.#numbers.length) {
      if (number === undefined) return;
      const grown = new Float64Array(Math.max(row + 1, this.#numbers.length * 2)).fill(Number.NaN);
      grown.set(this.#numbers);
      this.#numbers = grown;
    }
    this.#numbers[row] = number ?? Number.NaN;
  }
}
