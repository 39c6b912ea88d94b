import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const PRELOAD = pathToFileURL(join(import.meta.dirname, 'skewed-clock.mjs')).href;

/** The wall clock of one process, which a test puts forward and back while the process runs. */
export class ClockSkew {
  readonly #file: string;

  constructor(file: string) {
    this.#file = file;
  }

  /** What the process must be started with. */
  get env(): Readonly<Record<string, string>> {
    return { NODE_OPTIONS: `--import ${PRELOAD}`, KILONOVA_SKEW_FILE: this.#file };
  }

  set(ms: number): void {
    writeFileSync(this.#file, String(ms));
  }

  end(): void {
    rmSync(this.#file, { force: true });
  }
}
