/** Rows by score, the best first (a binary heap). Rows of equal score leave in the order of their tie-breaker. */
interface Entry {
  readonly row: number;
  readonly score: number;
  readonly tie: number;
}

const before = (a: Entry, b: Entry) => a.score > b.score || (a.score === b.score && a.tie < b.tie);

export class BestFirst {
  readonly #heap: Entry[] = [];

  get size(): number {
    return this.#heap.length;
  }

  push(row: number, score: number, tie: number): void {
    const heap = this.#heap;
    heap.push({ row, score, tie });
    let at = heap.length - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!before(heap[at]!, heap[parent]!)) break;
      [heap[at], heap[parent]] = [heap[parent]!, heap[at]!];
      at = parent;
    }
  }

  /** Undefined when nothing is left. */
  pop(): number | undefined {
    const heap = this.#heap;
    const best = heap[0];
    const last = heap.pop();
    if (best === undefined || last === undefined) return undefined;
    if (heap.length > 0) {
      heap[0] = last;
      this.#sink();
    }
    return best.row;
  }

  #sink(): void {
    const heap = this.#heap;
    for (let at = 0; ;) {
      const left = 2 * at + 1;
      let best = at;
      if (left < heap.length && before(heap[left]!, heap[best]!)) best = left;
      if (left + 1 < heap.length && before(heap[left + 1]!, heap[best]!)) best = left + 1;
      if (best === at) return;
      [heap[at], heap[best]] = [heap[best]!, heap[at]!];
      at = best;
    }
  }
}
