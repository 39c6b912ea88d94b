/** The fitting hosts of each class of requests, in the order of their scores: made at the first request, then mended. */
import type { RowTest } from '../filter.ts';
import { LeastRecentlyUsed } from '../least-recently-used.ts';
import type { HostTable } from '../snapshot/host-table.ts';
import { RowOrder } from './row-order.ts';
import type { Scores } from './scores.ts';

const UNKNOWN = -1;

interface Kept {
  readonly order: RowOrder;
  mark: number;
  epoch: number;
}

export class KeptOrders {
  readonly #hosts: HostTable;
  readonly #scores: Scores;
  readonly #kept: LeastRecentlyUsed<Kept>;
  /** How often all hosts were looked at. */
  builds = 0;

  /** @param most how many are kept; the least recently asked is forgotten. */
  constructor(hosts: HostTable, scores: Scores, most: number) {
    this.#hosts = hosts;
    this.#scores = scores;
    this.#kept = new LeastRecentlyUsed(most);
  }

  /**
   * Hands `act` exactly the rows that fit as things are; it leaves them so, as things are then. One that throws leaves an order
   * that is made anew. Equal keys must come with equal tests.
   */
  use<T>(classKey: string, fits: RowTest, act: (order: RowOrder) => T): T {
    const { changed, extent } = this.#hosts;
    this.#scores.catchUp();
    const kept = this.#kept.get(classKey, () => ({ order: new RowOrder(this.#scores), mark: UNKNOWN, epoch: UNKNOWN }));
    const { order } = kept;
    const mended =
      kept.epoch === this.#scores.epoch && extent <= order.extent && changed.replay(kept.mark, (row) => order.put(row, fits(row)));
    if (!mended) {
      order.build(extent, fits);
      this.builds += 1;
    }
    kept.mark = UNKNOWN;
    kept.epoch = this.#scores.epoch;
    const { mark } = changed;
    const result = act(order);
    kept.mark = mark;
    return result;
  }
}
