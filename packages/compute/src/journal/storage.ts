import { mkdir, open, readFile, rename, rm, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** Where a journal's bytes are. Handed in, so that a test can lose power at any point. */
export interface JournalStorage {
  /** For messages. */
  readonly path: string;
  /** All bytes; none when there is no journal yet. Afterwards bytes can be appended. */
  open(): Promise<Buffer>;
  /** Forgets what is behind `length`. */
  truncate(length: number): Promise<void>;
  append(bytes: Buffer): Promise<void>;
  /** Settles when everything appended is on the disk. */
  sync(): Promise<void>;
  /** Puts `bytes` in place of everything, at once, on the disk. */
  replace(bytes: Buffer): Promise<void>;
  close(): Promise<void>;
}

/** Readable by its owner only: orders carry user data. */
const MODE = 0o600;

export class FileStorage implements JournalStorage {
  readonly path: string;
  #handle: FileHandle | undefined;

  constructor(folder: string) {
    this.path = join(folder, 'journal');
  }

  async open(): Promise<Buffer> {
    await mkdir(dirname(this.path), { recursive: true, mode: 0o700 });
    await rm(`${this.path}.new`, { force: true }); // of a compaction that a crash ended
    this.#handle = await open(this.path, 'a', MODE);
    await syncFolder(dirname(this.path));
    return readFile(this.path);
  }

  async truncate(length: number): Promise<void> {
    await this.#opened.truncate(length);
    await this.#opened.sync();
  }

  append(bytes: Buffer): Promise<void> {
    return this.#opened.appendFile(bytes);
  }

  sync(): Promise<void> {
    return this.#opened.datasync();
  }

  async replace(bytes: Buffer): Promise<void> {
    const draft = `${this.path}.new`;
    const handle = await open(draft, 'w', MODE);
    try {
      await handle.writeFile(bytes);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(draft, this.path);
    await syncFolder(dirname(this.path));
    const former = this.#opened;
    this.#handle = await open(this.path, 'a', MODE);
    await former.close();
  }

  async close(): Promise<void> {
    await this.#handle?.close();
    this.#handle = undefined;
  }

  get #opened(): FileHandle {
    if (this.#handle === undefined) throw new Error(`${this.path} is not open`);
    return this.#handle;
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
