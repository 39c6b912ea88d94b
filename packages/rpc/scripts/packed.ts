import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The folder of the package. */
export const packageFolder = fileURLToPath(new URL('..', import.meta.url));

export interface Packed {
  readonly tarball: string;
  /** Bytes of the tarball. */
  readonly size: number;
  readonly unpackedSize: number;
  /** Paths within the package. */
  readonly files: readonly string[];
}

/** Packs what was built, as `npm publish` would, into a folder. Needs no network. */
export async function pack(into: string): Promise<Packed> {
  const { stdout } = await run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', into], { cwd: packageFolder });
  const said = JSON.parse(stdout) as Said[] | Record<string, Said>;
  const [entry] = Object.values(said) as [Said];
  const { filename, size, unpackedSize, files } = entry;
  return { tarball: join(into, filename), size, unpackedSize, files: files.map(({ path }) => path) };
}

interface Said extends Omit<Packed, 'files' | 'tarball'> {
  readonly filename: string;
  readonly files: readonly { readonly path: string }[];
}
