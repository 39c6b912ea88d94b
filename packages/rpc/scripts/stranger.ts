import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { pack, packageFolder, type Packed } from './packed.ts';

const run = promisify(execFile);
const modules = join(packageFolder, '..', '..', 'node_modules');
/** What the README tells users to install beside the package. */
const BESIDE = ['@types/node', 'undici-types'];

/** Programs named `tsc`, newest first: the one of this repository, and those that its tools brought. */
export const compilers = {
  7: join(modules, 'typescript', 'bin', 'tsc'),
  6: broughtBy('@microsoft/api-extractor'),
  5: broughtBy('@arethetypeswrong/core'),
} as const;

export interface Outcome {
  readonly code: number;
  readonly output: string;
}

/** An empty folder somewhere else, with the packed package in its node_modules and nothing that it does not declare. */
export class Stranger {
  readonly folder: string;
  readonly packed: Packed;

  private constructor(folder: string, packed: Packed) {
    this.folder = folder;
    this.packed = packed;
  }

  /** Builds and packs the package. Needs no network: dependencies are those of this repository. */
  static async arrives(): Promise<Stranger> {
    const folder = mkdtempSync(join(tmpdir(), 'kilonova-rpc-stranger-'));
    await run(process.execPath, [compilers[7], '-b', packageFolder]);
    const packed = await pack(folder);
    const installed = join(folder, 'node_modules', '@kilonova', 'rpc');
    mkdirSync(installed, { recursive: true });
    await run('tar', ['-xzf', packed.tarball, '-C', installed, '--strip-components=1']);
    const { dependencies } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8')) as { dependencies: Record<string, string> };
    for (const name of [...Object.keys(dependencies), ...BESIDE]) {
      const link = join(folder, 'node_modules', name);
      mkdirSync(dirname(link), { recursive: true });
      symlinkSync(join(modules, name), link);
    }
    return new Stranger(folder, packed);
  }

  write(path: string, content: string): void {
    const file = join(this.folder, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, content);
  }

  path(...parts: readonly string[]): string {
    return join(this.folder, ...parts);
  }

  /** Runs a program of the folder to its end. */
  async node(...args: readonly string[]): Promise<Outcome> {
    try {
      const { stdout, stderr } = await run(process.execPath, args, { cwd: this.folder });
      return { code: 0, output: stdout + stderr };
    } catch (error) {
      const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
      return { code, output: stdout + stderr };
    }
  }

  leaves(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function broughtBy(name: string): string {
  const tool = createRequire(join(modules, name, 'package.json'));
  return tool.resolve('typescript/bin/tsc');
}
