import type { JournalStorage } from '@kilonova/compute';
import type { Random } from '@kilonova/runtime';
import type { Life } from './life.ts';

/** The disk under an agent's journal: what was synced stays, what was only written may be torn when the agent dies. */
export class Disk {
  #synced: Buffer = Buffer.alloc(0);
  #written: Buffer = Buffer.alloc(0);

  /**
   * As one agent sees it, until it dies.
   * @param onEffect called right before and right after every effect; the agent may die there
   */
  storageOf(life: Life, onEffect: (moment: 'before' | 'after', what: string) => void): JournalStorage {
    const never = () => new Promise<never>(() => undefined);
    const act = async <T>(work: () => T): Promise<T> => {
      if (life.alive) onEffect('before', 'journal');
      if (!life.alive) return never();
      const done = work();
      onEffect('after', 'journal');
      return life.alive ? done : never();
    };
    return {
      path: `journal of ${life.name}`,
      open: () => act(() => this.#written),
      truncate: (length) => act(() => void (this.#synced = this.#written = this.#written.subarray(0, length))),
      append: (bytes) => act(() => void (this.#written = Buffer.concat([this.#written, bytes]))),
      sync: () => act(() => void (this.#synced = this.#written)),
      replace: (bytes) => act(() => void (this.#synced = this.#written = bytes)),
      close: () => act(() => undefined),
    };
  }

  /** Some of what was not synced is lost, as when the machine stops. */
  tear(random: Random): void {
    const unsynced = this.#written.length - this.#synced.length;
    this.#written = this.#synced = this.#written.subarray(0, this.#synced.length + Math.floor(random.next() * (unsynced + 1)));
  }
}
