import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { archiveOf, assertHistory, lastRelease, type Release } from '../../scripts/releases.ts';

const root = join(import.meta.dirname, '..', '..');
/** Holds what git and the compiler make of a commit, which is the same for ever. */
const cache = join(root, '.cache', 'releases');

export interface ReleasedBuild extends Release {
  /** Its bin/kilonova.js. */
  readonly executable: string;
}

/**
 * The last release, built from its commit beside the working tree: once, a later run takes it as it is.
 *
 * @throws Error that names the commit in a clone without it
 */
export function releasedBuild(): ReleasedBuild {
  const release = lastRelease(root);
  assertHistory(root, release);
  // Linked to what is installed here: when that changes, it is made anew.
  const installed = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex')
    .slice(0, 8);
  const folder = join(cache, `${release.version}-${release.commit.slice(0, 12)}-${installed}`);
  if (!existsSync(folder)) {
    mkdirSync(cache, { recursive: true });
    const unfinished = mkdtempSync(join(cache, 'unfinished-'));
    try {
      build(release, unfinished);
      renameSync(unfinished, folder);
    } catch (error) {
      rmSync(unfinished, { recursive: true, force: true });
      throw error;
    }
  }
  return { ...release, executable: join(folder, 'packages', 'kilonova', 'bin', 'kilonova.js') };
}

function build(release: Release, folder: string): void {
  execFileSync('tar', ['-x', '-C', folder], { input: archiveOf(root, release.commit) });
  if (sameDependencies(folder)) linkDependencies(folder);
  else npm(folder, 'ci', '--ignore-scripts', '--no-audit', '--no-fund');
  execFileSync(process.execPath, [join(folder, 'node_modules', 'typescript', 'bin', 'tsc'), '-b'], { cwd: folder, stdio: 'pipe' });
}

const npm = (folder: string, ...args: readonly string[]) => execFileSync('npm', args, { cwd: folder, stdio: 'pipe' });

/** Whether everything the release was locked to is installed here in the same version. */
function sameDependencies(folder: string): boolean {
  const [its, ours] = [lockedPackages(folder), lockedPackages(root)];
  return [...its].every(([path, version]) => ours.get(path) === version);
}

function lockedPackages(folder: string): ReadonlyMap<string, string> {
  const { packages } = JSON.parse(readFileSync(join(folder, 'package-lock.json'), 'utf8')) as {
    packages: Readonly<Record<string, { readonly version?: string; readonly link?: boolean }>>;
  };
  return new Map(
    Object.entries(packages)
      .filter(([path, { link }]) => path.startsWith('node_modules/') && link !== true)
      .map(([path, { version = '' }]) => [path, version]),
  );
}

/** Its node_modules are ours, but for the packages of the repository, which are its own. */
function linkDependencies(folder: string): void {
  const modules = join(folder, 'node_modules');
  mkdirSync(join(modules, '@kilonova'), { recursive: true });
  for (const name of readdirSync(join(root, 'node_modules')))
    if (name !== '@kilonova' && name !== 'kilonova') symlinkSync(join(root, 'node_modules', name), join(modules, name));
  for (const name of readdirSync(join(folder, 'packages')))
    symlinkSync(
      join('..', ...(name === 'kilonova' ? [] : ['..']), 'packages', name),
      join(modules, name === 'kilonova' ? name : join('@kilonova', name)),
    );
}
