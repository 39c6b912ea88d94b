// Loaded into a process before its program (NODE_OPTIONS=--import): its wall clock is off by what stands in the file
// named by KILONOVA_SKEW_FILE, in milliseconds, read anew while it runs. The monotonic clock stays what it is.
import { readFileSync } from 'node:fs';

const READ_EVERY_MS = 100;
const file = process.env.KILONOVA_SKEW_FILE;
delete process.env.KILONOVA_SKEW_FILE; // else the program takes it for an option of its own
const TrueDate = Date;
let skewMs = 0;
let readAt = -Infinity;

function now() {
  const at = performance.now();
  if (at - readAt >= READ_EVERY_MS) {
    readAt = at;
    try {
      skewMs = Number(readFileSync(file, 'utf8')) || 0;
    } catch {
      skewMs = 0; // no file, no skew
    }
  }
  return TrueDate.now() + skewMs;
}

globalThis.Date = class extends TrueDate {
  constructor(...given) {
    if (given.length === 0) super(now());
    else super(...given);
  }

  static now() {
    return now();
  }
};
