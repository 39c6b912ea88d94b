import { spawn } from 'node:child_process';
import { chownSync, existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Account } from './account.ts';
import type { Binaries } from './binaries.ts';
import type { Home } from './home.ts';

/** The superuser and owner of the databases. */
export const DATABASE_USER = 'kilonova';

/** Nothing of the caller's environment reaches PostgreSQL: PGDATA, PGPORT or LC_ALL would change what it does. */
export const cleanEnvironment = { PATH: process.env['PATH'] ?? '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' };

/** Makes the cluster unless it exists. An initdb that was interrupted leaves only a draft, which is removed. */
export async function ensureCluster(home: Home, binaries: Binaries, account: Account | undefined): Promise<void> {
  const draft = join(home.owned, 'draft');
  rmSync(draft, { recursive: true, force: true });
  if (existsSync(home.data)) return refuseOtherMajor(home, binaries);
  const passwordFile = join(home.owned, 'draft.password');
  writeFileSync(passwordFile, `${home.password}\n`, { mode: 0o600 });
  if (account !== undefined) chownSync(passwordFile, account.uid, account.gid);
  try {
    // The built-in C.UTF-8 sorts alike on every machine, whatever locales it has installed.
    await run(
      binaries.initdb,
      [
        `--pgdata=${draft}`,
        `--username=${DATABASE_USER}`,
        `--pwfile=${passwordFile}`,
        '--auth=scram-sha-256',
        '--encoding=UTF8',
        '--locale=C',
        '--locale-provider=builtin',
        '--builtin-locale=C.UTF-8',
      ],
      { account, cwd: home.owned },
    );
  } finally {
    rmSync(passwordFile, { force: true });
  }
  renameSync(draft, home.data);
}

/** Creates those of `databases` that were not created before. The server must not run. */
export async function ensureDatabases(
  home: Home,
  binaries: Binaries,
  account: Account | undefined,
  databases: readonly string[],
): Promise<void> {
  const listFile = join(home.dir, 'databases.json');
  const made = existsSync(listFile) ? (JSON.parse(readFileSync(listFile, 'utf8')) as string[]) : [];
  const missing = databases.filter((name) => !made.includes(name));
  if (missing.length === 0) return;
  for (const name of missing) {
    if (!/^[a-z_][a-z0-9_]*$/.test(name)) throw new Error(`expected a database name of a-z, 0-9 and _, found ${JSON.stringify(name)}`);
    // Single-user mode needs neither port nor password. A database that a crash left unlisted is no error.
    const output = await run(binaries.postgres, ['--single', '-j', '-D', home.data, 'postgres'], {
      account,
      cwd: home.owned,
      input: `CREATE DATABASE ${name};\n\n`,
    });
    if (/ERROR:|FATAL:/.test(output) && !output.includes('already exists'))
      throw new Error(`cannot create the database ${name}: ${output.trim()}`);
  }
  writeFileSync(listFile, JSON.stringify([...made, ...missing]));
}

function refuseOtherMajor(home: Home, binaries: Binaries): void {
  const found = readFileSync(join(home.data, 'PG_VERSION'), 'utf8').trim();
  const major = binaries.version.split('.')[0];
  if (found !== major)
    throw new Error(
      `${home.data} was made by PostgreSQL ${found}, and this is ${major}: dump it with the old version, or name another folder`,
    );
}

interface RunOptions {
  readonly account: Account | undefined;
  readonly cwd: string;
  readonly input?: string;
}

/** What the program printed; throws with it when the program fails. */
function run(program: string, args: readonly string[], { account, cwd, input }: RunOptions): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd,
      env: cleanEnvironment,
      detached: true,
      ...(account && { uid: account.uid, gid: account.gid }),
    });
    let output = '';
    child.stdout.on('data', (piece) => (output += piece));
    child.stderr.on('data', (piece) => (output += piece));
    child.stdin.on('error', () => undefined); // told by the exit code
    child.stdin.end(input ?? '');
    child.on('error', reject);
    child.on('close', (code, signal) => {
      if (code === 0) resolve(output);
      else reject(new Error(`${program} ended with ${signal ?? code}: ${output.trim()}`));
    });
  });
}
