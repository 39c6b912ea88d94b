/** What follows from the hosts' states alone, row by row: made when it is first asked for, then mended by the rows that changed. */
import type { HostState } from '@kilonova/objects';
import { LeastRecentlyUsed } from '../least-recently-used.ts';
import type { RowLog } from './row-log.ts';
import { RowNumbers } from './row-numbers.ts';
import { RowSet } from './row-set.ts';

interface Kept<Column> {
  readonly column: Column;
  /** `host` is undefined for a vacant row. */
  readonly put: (row: number, host: HostState | undefined) => void;
  mark: number;
}

export class KeptColumns {
  readonly #states: readonly (HostState | undefined)[];
  readonly #changed: RowLog;
  readonly #sets: LeastRecentlyUsed<Kept<RowSet>>;
  readonly #numbers: LeastRecentlyUsed<Kept<RowNumbers>>;

  constructor(states: readonly (HostState | undefined)[], changed: RowLog, most: number) {
    this.#states = states;
    this.#changed = changed;
    this.#sets = new LeastRecentlyUsed(most);
    this.#numbers = new LeastRecentlyUsed(most);
  }

  setOf(key: string, holds: (host: HostState) => boolean): RowSet {
    const kept = this.#sets.get(key, () => {
      const rows = new RowSet();
      return { column: rows, put: (row, host) => rows.put(row, host !== undefined && holds(host)), mark: -1 };
    });
    return this.#mended(kept);
  }

  numbersOf(key: string, read: (host: HostState) => number | undefined): RowNumbers {
    const kept = this.#numbers.get(key, () => {
      const numbers = new RowNumbers();
      return { column: numbers, put: (row, host) => numbers.put(row, host && read(host)), mark: -1 };
    });
    return this.#mended(kept);
  }

  #mended<Column>(kept: Kept<Column>): Column {
    if (kept.mark === this.#changed.mark) return kept.column;
    const mended = this.#changed.replay(kept.mark, (row) => kept.put(row, this.#states[row]));
    if (!mended) for (let row = 0; row < this.#states.length; row += 1) kept.put(row, this.#states[row]);
    kept.mark = this.#changed.mark;
    return kept.column;
  }
}
