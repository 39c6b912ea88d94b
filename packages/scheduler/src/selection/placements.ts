/** How many instances of the request at hand were put on a row. */
export class Placements {
  readonly #perRow = new Map<number, number>();

  on(row: number): number {
    return this.#perRow.get(row) ?? 0;
  }

  get rows(): number {
    return this.#perRow.size;
  }

  add(row: number): void {
    this.#perRow.set(row, this.on(row) + 1);
  }
}
