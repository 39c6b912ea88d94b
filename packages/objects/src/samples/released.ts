import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const repository = fileURLToPath(new URL('../../../../', import.meta.url));
const git = (root: string, ...args: string[]) =>
  execFileSync('git', args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();

/** The newest tag that this commit comes from; null before the first release. */
export function lastTag(root = repository): string | null {
  try {
    return git(root, 'describe', '--tags', '--abbrev=0');
  } catch {
    return null;
  }
}

/** Files below `folder` that the tag has and that are not the same now, in the working tree. */
export const changedSince = (tag: string, folder: string, root = repository): string[] =>
  git(root, 'diff', '--name-only', '--no-renames', '--diff-filter=DMT', tag, '--', folder)
    .split('\n')
    .filter((line) => line !== '');
