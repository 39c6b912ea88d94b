import { createHash, randomBytes } from 'node:crypto';
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { canReach, type Account } from './account.ts';
import { SYSTEM_HOME } from './binaries.ts';

/** The folders and files of one embedded PostgreSQL. */
export interface Home {
  /** What the caller named: holds the lock, the password and the log. */
  readonly dir: string;
  /** What PostgreSQL's account owns: the data and initdb's drafts. Below `dir`, or below /var/lib/kilonova. */
  readonly owned: string;
  readonly data: string;
  readonly log: string;
  readonly password: string;
}

/**
 * Makes the folders. `account` must be able to reach its own: when a folder above `dir` is closed to it, they lie in
 * /var/lib/kilonova/<hash of dir>-<id>, where the id is kept in `dir`: a `dir` that was removed and made anew
 * starts anew, and what the removed one left there is removed too.
 */
export function makeHome(dir: string, account: Account | undefined): Home {
  mkdirSync(dir, { recursive: true, mode: account === undefined ? 0o700 : 0o711 });
  const owned = account === undefined || canPass(account, dir) ? join(dir, 'cluster') : farFolder(dir);
  mkdirSync(owned, { recursive: true, mode: 0o700 });
  if (account !== undefined) {
    chmodSync(owned, 0o700);
    chownSync(owned, account.uid, account.gid);
  }
  return { dir, owned, data: join(owned, 'data'), log: join(dir, 'postgres.log'), password: keptPassword(dir) };
}

export function removeHome({ dir, owned }: Home): void {
  rmSync(owned, { recursive: true, force: true });
  rmSync(dir, { recursive: true, force: true });
}

function canPass(account: Account, dir: string): boolean {
  chmodSync(dir, 0o755);
  const reachable = canReach(account, dir);
  chmodSync(dir, 0o711);
  return reachable;
}

function farFolder(dir: string): string {
  const idFile = join(dir, 'id');
  if (!existsSync(idFile)) writeFileSync(idFile, randomBytes(8).toString('hex'), { mode: 0o600 });
  const key = createHash('sha256').update(dir).digest('hex').slice(0, 16);
  const name = `${key}-${readFileSync(idFile, 'utf8').trim()}`;
  mkdirSync(SYSTEM_HOME, { recursive: true });
  chmodSync(SYSTEM_HOME, 0o755);
  for (const other of readdirSync(SYSTEM_HOME))
    if (other.startsWith(`${key}-`) && other !== name) rmSync(join(SYSTEM_HOME, other), { recursive: true, force: true });
  return join(SYSTEM_HOME, name);
}

/** Random per cluster, in a file that only this process's user may read. */
function keptPassword(dir: string): string {
  const file = join(dir, 'password');
  if (!existsSync(file)) writeFileSync(file, randomBytes(24).toString('hex'), { mode: 0o600 });
  return readFileSync(file, 'utf8').trim();
}
