// Writes the golden samples of the newest minor. Older ones are history and stay as they are.
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MINOR } from '../dist/history.js';
import { samplesOf } from '../dist/samples/files.js';

const folder = fileURLToPath(new URL('../samples/', import.meta.url));
for (const [name, text] of samplesOf(MINOR)) {
  mkdirSync(dirname(folder + name), { recursive: true });
  writeFileSync(folder + name, text);
}
console.log(`samples of minor ${MINOR} written`);
