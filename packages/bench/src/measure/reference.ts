/** What this machine can do just now, so that figures of another hour can be compared. */
import { createHash } from 'node:crypto';
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Reference {
  /** SHA-256 of 16 KiB, on one core. */
  readonly hashesPerS: number;
  /** Appends of 4 KiB to a file in the folder for temporary files, each synced. */
  readonly syncsPerS: number;
}

const EACH_MS = 250;

/** Takes half a second, in which nothing else runs in this process. */
export function takeReference(): Reference {
  const block = Buffer.alloc(16_384, 'x');
  const hashesPerS = rateOf(() => createHash('sha256').update(block).digest());
  const folder = mkdtempSync(join(tmpdir(), 'kilonova-bench-'));
  try {
    const file = openSync(join(folder, 'sync'), 'a');
    const page = block.subarray(0, 4_096);
    const syncsPerS = rateOf(() => {
      writeSync(file, page);
      fdatasyncSync(file);
    });
    closeSync(file);
    return { hashesPerS, syncsPerS };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function rateOf(act: () => unknown): number {
  const began = performance.now();
  let count = 0;
  do {
    act();
    count += 1;
  } while (performance.now() - began < EACH_MS);
  return Math.round((count * 1_000) / (performance.now() - began));
}
