// What was released stands in releases.json, and not in tags, which a clone may lack: every check against a release works in every clone that has its commit.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Release {
  /** Of the packages, as in package.json. */
  readonly version: string;
  readonly commit: string;
  /** The newest wire version that it speaks, MAJOR.MINOR. */
  readonly wire: string;
  /** What `kilonova db migrate` of it runs, in order. */
  readonly migrations: readonly string[];
}

/** The newest release: what is built now must work beside it. @throws Error when the file names none */
export function lastRelease(root: string): Release {
  const releases = JSON.parse(readFileSync(join(root, 'releases.json'), 'utf8')) as readonly Release[];
  const last = releases.at(-1);
  if (last === undefined) throw new Error('releases.json: expected at least one release, found none');
  return last;
}

const git = (root: string, ...args: readonly string[]): string =>
  execFileSync('git', args, { cwd: root, encoding: 'utf8', maxBuffer: 64 * 1_048_576, stdio: ['ignore', 'pipe', 'ignore'] });

/** @throws Error that says what to do in a clone without the release's commit */
export function assertHistory(root: string, { version, commit }: Pick<Release, 'version' | 'commit'>): void {
  try {
    execFileSync('git', ['cat-file', '-e', `${commit}^{commit}`], { cwd: root, stdio: ['ignore', 'ignore', 'pipe'] });
  } catch (error) {
    const said = String((error as { stderr?: Buffer }).stderr ?? error).trim();
    throw new Error(
      `release ${version} is commit ${commit}, which this clone does not have: fetch the whole history ("git fetch --unshallow", or a clone without --depth); git says: ${said}`,
      { cause: error },
    );
  }
}

/** Files below the paths that the commit has and that are not the same in the working tree. */
export const changedSince = (root: string, commit: string, paths: readonly string[]): readonly string[] =>
  git(root, 'diff', '--name-only', '--no-renames', '--diff-filter=DMT', commit, '--', ...paths)
    .split('\n')
    .filter((line) => line !== '');

/** Files of the commit below the paths, by name, with their text. */
export function filesAt(root: string, commit: string, paths: readonly string[]): ReadonlyMap<string, string> {
  const names = git(root, 'ls-tree', '-r', '--name-only', commit, '--', ...paths)
    .split('\n')
    .filter((line) => line !== '');
  return new Map(names.map((name) => [name, git(root, 'show', `${commit}:${name}`)]));
}

/** The commit's tree as a tar archive. */
export const archiveOf = (root: string, commit: string): Buffer =>
  execFileSync('git', ['archive', '--format=tar', commit], { cwd: root, maxBuffer: 512 * 1_048_576, stdio: ['ignore', 'pipe', 'inherit'] });
