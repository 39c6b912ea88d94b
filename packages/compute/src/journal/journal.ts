import type { Logger } from '@kilonova/runtime';
import { encodeFrame, scanFrames } from './frame.ts';
import type { JournalStorage } from './storage.ts';

export interface JournalOptions<R> {
  readonly storage: JournalStorage;
  /** Above this size the journal is written anew with what still counts. */
  readonly compactBytes: number;
  readonly log: Logger;
  /** Takes the records of the past, in order, before `open` settles. */
  readonly replay: (record: R) => void;
  /** Records that say all that still counts, including every record given to `append` and `note` so far. */
  readonly snapshot: () => Iterable<R>;
}

interface Waiting<R> {
  readonly record: R;
  readonly done?: () => void;
  readonly failed?: (reason: Error) => void;
}

/**
 * An append-only file of records. Writing and syncing take turns; whatever was appended meanwhile shares the next turn,
 * so many records cost one sync. After a failed write or sync nothing more is promised: what the disk holds is unknown
 * until the file is read again, so every later `append` rejects.
 */
export class Journal<R> {
  readonly #options: JournalOptions<R>;
  #waiting: Waiting<R>[] = [];
  #turn: Promise<void> | undefined;
  #batch = 1;
  #bytes = 0;
  #compactAt: number;
  #failure: Error | undefined;
  /** Turns that were synced. */
  syncs = 0;

  private constructor(options: JournalOptions<R>) {
    this.#options = options;
    this.#compactAt = options.compactBytes;
  }

  /** @throws JournalDamaged when more than a torn tail is wrong. */
  static async open<R>(options: JournalOptions<R>): Promise<Journal<R>> {
    const { storage, log, replay } = options;
    const journal = new Journal(options);
    const bytes = await storage.open();
    const { frames, goodBytes } = scanFrames(storage.path, bytes);
    if (goodBytes < bytes.length) {
      log.warn({ path: storage.path, offset: goodBytes, bytes: bytes.length - goodBytes }, 'torn tail cut off the journal');
      await storage.truncate(goodBytes);
    } else {
      // What a killed process wrote may not be on the disk yet; from here on it is relied upon.
      await storage.sync();
    }
    for (const { record } of frames) replay(record as R);
    journal.#bytes = goodBytes;
    journal.#batch = (frames.at(-1)?.batch ?? 0) + 1;
    return journal;
  }

  /** Why nothing can be promised any more. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /** Settles when the record is on the disk. */
  append(record: R): Promise<void> {
    return new Promise((done, failed) => this.#add({ record, done, failed }));
  }

  /** Writes the record soon, and promises nothing: for what does no harm when it is forgotten. */
  note(record: R): void {
    this.#add({ record });
  }

  /** Writes what waits, then closes the file. */
  async close(): Promise<void> {
    await this.#turn;
    this.#failure ??= new Error('the journal is closed');
    await this.#options.storage.close();
  }

  #add(waiting: Waiting<R>): void {
    if (this.#failure !== undefined) {
      waiting.failed?.(this.#failure);
      return;
    }
    this.#waiting.push(waiting);
    this.#turn ??= this.#takeTurns();
  }

  async #takeTurns(): Promise<void> {
    // Records of the same turn of the event loop go together.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      try {
        await (this.#bytes > this.#compactAt ? this.#compact() : this.#write(batch));
        for (const { done } of batch) done?.();
      } catch (error) {
        this.#fail(error as Error, batch);
      }
    }
    // In the same step as the last look, or a record given in between would wait for ever.
    this.#turn = undefined;
  }

  async #write(batch: readonly Waiting<R>[]): Promise<void> {
    const bytes = Buffer.from(batch.map(({ record }) => encodeFrame(this.#batch, record)).join(''));
    await this.#options.storage.append(bytes);
    this.#bytes += bytes.length;
    if (batch.every(({ done }) => done === undefined)) return;
    await this.#options.storage.sync();
    this.syncs += 1;
    this.#batch += 1;
  }

  /** The snapshot holds what the waiting records say, so they need no writing of their own. */
  async #compact(): Promise<void> {
    const { storage, snapshot, compactBytes, log } = this.#options;
    const lines: string[] = [];
    for (const record of snapshot()) lines.push(encodeFrame(this.#batch, record));
    const bytes = Buffer.from(lines.join(''));
    await storage.replace(bytes);
    log.info({ path: storage.path, bytesBefore: this.#bytes, bytes: bytes.length, records: lines.length }, 'journal compacted');
    this.#bytes = bytes.length;
    this.#batch += 1;
    this.#compactAt = Math.max(compactBytes, 2 * bytes.length);
  }

  #fail(reason: Error, batch: readonly Waiting<R>[]): void {
    const { storage, log } = this.#options;
    this.#failure = new Error(`${storage.path} cannot be written: ${reason.message}`, { cause: reason });
    log.error({ path: storage.path, reason: reason.message }, 'journal failed, no more orders are taken until the agent is restarted');
    for (const { failed } of [...batch, ...this.#waiting.splice(0)]) failed?.(this.#failure);
  }
}
