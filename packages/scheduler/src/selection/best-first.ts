/** Rows by score, the best first (a binary heap). Rows of equal score leave in the order of their tie-breaker. */
export interface Ranked {
  readonly row: number;
  readonly score: number;
  readonly tie: number;
}

export const ranksBefore = (a: Ranked, b: Ranked): boolean => a.score > b.score || (a.score === b.score && a.tie < b.tie);

export class BestFirst {
  readonly #heap: Ranked[] = [];

  /** Undefined when nothing is left. */
  get best(): Ranked | undefined {
    return this.#heap[0];
  }

  push(entry: Ranked): void {
    const heap = this.#heap;
    heap.push(entry);
    let at = heap.length - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!ranksBefore(heap[at]!, heap[parent]!)) break;
      [heap[at], heap[parent]] = [heap[parent]!, heap[at]!];
      at = parent;
    }
  }

  /** Takes the best one out. */
  pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    heap[0] = last;
    this.#sink();
  }

  #sink(): void {
    const heap = this.#heap;
    for (let at = 0; ;) {
      const left = 2 * at + 1;
      let best = at;
      if (left < heap.length && ranksBefore(heap[left]!, heap[best]!)) best = left;
      if (left + 1 < heap.length && ranksBefore(heap[left + 1]!, heap[best]!)) best = left + 1;
      if (best === at) return;
      [heap[at], heap[best]] = [heap[best]!, heap[at]!];
      at = best;
    }
  }
}
