import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const STORE = new URL('./store.ts', import.meta.url).href;
const ID = '00000000-0000-4000-8000-000000000001';

/** Stores one piece of 64 KiB in the folder that it is given, and says what came of it. */
const PROGRAM = `
  import { randomUUID } from 'node:crypto';
  import { Readable } from 'node:stream';
  import { ImageStore } from '${STORE}';
  const store = await ImageStore.open(process.argv[1], { uuid: () => randomUUID() });
  await store.write('${ID}', Readable.from([Buffer.alloc(65536)]), { maxBytes: 1048576, diskFormat: 'raw' }).then(
    ({ size }) => console.log('stored', size),
    ({ status }) => console.log('refused', status),
  );
`;

test('an image of which the disk takes only a part is refused, and leaves no file', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'kilonova-store-'));
  try {
    // The limit of the shell stands for a disk that fills up: a write across it takes a part, and the next one fails.
    const command = 'ulimit -f 16 && exec "$0" --input-type=module --eval "$1" "$2"';
    const { stdout } = await promisify(execFile)('sh', ['-c', command, process.execPath, PROGRAM, dir]);
    expect([stdout.trim(), await readdir(dir)]).toEqual(['refused 507', []]);
  } finally {
    await rm(dir, { recursive: true });
  }
});
