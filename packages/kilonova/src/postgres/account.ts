import { execFileSync } from 'node:child_process';
import { readFileSync, realpathSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

/** The operating system account that PostgreSQL runs under; undefined means: this process's own. */
export interface Account {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/** Made when root starts PostgreSQL and the machine has no better account. */
const OWN_ACCOUNT = 'kilonova-postgres';

/**
 * PostgreSQL refuses to run as root, and initdb refuses an id without an entry in the list of users. In this order: our
 * own account, Debian's `postgres`, a new system account, `nobody`. Not root: undefined.
 */
export function chooseAccount(): Account | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const found = accountNamed(OWN_ACCOUNT) ?? accountNamed('postgres') ?? madeAccount() ?? accountNamed('nobody');
  if (found === undefined)
    throw new Error(
      `PostgreSQL may not run as root, and this machine has neither an account "${OWN_ACCOUNT}", "postgres" or "nobody" nor useradd to make one: start as an ordinary user, or create the account "${OWN_ACCOUNT}"`,
    );
  return found;
}

function accountNamed(name: string): Account | undefined {
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((entry) => entry.startsWith(`${name}:`));
  if (line === undefined) return undefined;
  const [, , uid, gid] = line.split(':');
  return { name, uid: Number(uid), gid: Number(gid) };
}

function madeAccount(): Account | undefined {
  try {
    execFileSync(
      'useradd',
      ['--system', '--user-group', '--no-create-home', '--home-dir', '/nonexistent', '--shell', '/usr/sbin/nologin', OWN_ACCOUNT],
      {
        stdio: 'ignore',
      },
    );
  } catch {
    return undefined; // no useradd, or a read-only system
  }
  return accountNamed(OWN_ACCOUNT);
}

/** Whether `account` may enter every folder above `path` and read (a folder: enter) it. Judges by mode bits alone. */
export function canReach(account: Account, path: string): boolean {
  let current = realpathSync(path);
  if (!allows(account, current, statSync(current).isDirectory() ? 0o5 : 0o4)) return false;
  while (dirname(current) !== current) {
    current = dirname(current);
    if (!allows(account, current, 0o1)) return false;
  }
  return true;
}

function allows({ uid, gid }: Account, path: string, wanted: number): boolean {
  const { mode, uid: owner, gid: group } = statSync(path);
  const shift = owner === uid ? 6 : group === gid ? 3 : 0;
  return ((mode >> shift) & wanted) === wanted;
}
