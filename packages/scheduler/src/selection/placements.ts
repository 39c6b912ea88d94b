/** How many instances of the request at hand were put on a row. */
export class Placements {
  readonly #perRow = new Map<number, number>();

  on(row: number): number {
    return this.#perRow.get(row) ?? 0;
  }

  /** Those with one at least. */
  get rows(): number[] {
    return [...this.#perRow.keys()];
  }

  get none(): boolean {
    return this.#perRow.size === 0;
  }

  add(row: number): void {
    this.#perRow.set(row, this.on(row) + 1);
  }
}
