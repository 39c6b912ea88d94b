import { closeSync, openSync, readFileSync, renameSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Domain } from '../driver.ts';

/** A guest, and how large it is where that is known: what there is to send of it. */
export interface FakeDomain extends Domain {
  readonly memoryMb?: number;
  readonly diskMb?: number;
}

/** Lines that say nothing any more, before the file is written anew. */
const SPARE_LINES = 1_000;

/**
 * The domains of a fake host, in a file, so that they outlive their agent as on a real hypervisor. One line per change.
 * Not synced: it outlives a killed process, and a fake host needs no more.
 */
export class DomainFile {
  readonly #path: string;
  readonly #domains = new Map<string, FakeDomain>();
  #handle: number;
  #lines = 0;
  #closed = false;

  constructor(folder: string) {
    this.#path = join(folder, 'fake-domains.jsonl');
    this.#read();
    this.#handle = this.#writeAnew();
  }

  get(uuid: string): FakeDomain | undefined {
    return this.#domains.get(uuid);
  }

  all(): readonly FakeDomain[] {
    return [...this.#domains.values()];
  }

  put(domain: FakeDomain): FakeDomain {
    this.#domains.set(domain.uuid, domain);
    this.#append(domain);
    return domain;
  }

  delete(uuid: string): void {
    if (this.#domains.delete(uuid)) this.#append({ uuid });
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    closeSync(this.#handle);
  }

  #append(line: object): void {
    writeSync(this.#handle, `${JSON.stringify(line)}\n`);
    if (++this.#lines <= 2 * this.#domains.size + SPARE_LINES) return;
    closeSync(this.#handle);
    this.#handle = this.#writeAnew();
  }

  #read(): void {
    let content = '';
    try {
      content = readFileSync(this.#path, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
    // What follows the last line end was cut off by a crash: that change did not happen.
    for (const line of content.split('\n').slice(0, -1)) {
      const domain = JSON.parse(line) as FakeDomain | { readonly uuid: string };
      if ('power' in domain) this.#domains.set(domain.uuid, domain);
      else this.#domains.delete(domain.uuid);
    }
  }

  #writeAnew(): number {
    const draft = `${this.#path}.new`;
    writeFileSync(
      draft,
      this.all()
        .map((domain) => `${JSON.stringify(domain)}\n`)
        .join(''),
      { mode: 0o600 },
    );
    renameSync(draft, this.#path);
    this.#lines = this.#domains.size;
    return openSync(this.#path, 'a');
  }
}
