import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, realpathSync, statSync, truncateSync, mkdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { identityOf, lockFolder, type ProcessIdentity } from '@kilonova/runtime';
import { chooseAccount, type Account } from './account.ts';
import { findBinaries, type Binaries } from './binaries.ts';
import { cleanEnvironment, DATABASE_USER, ensureCluster, ensureDatabases } from './cluster.ts';
import { makeHome, removeHome, type Home } from './home.ts';
import { endPostmaster, isReady, killPostmaster, stopOrphan } from './postmaster.ts';

export interface EmbeddedPostgresOptions {
  /** Holds everything of this server; made if absent. One server per folder at a time. */
  readonly dir: string;
  /** TCP port on 127.0.0.1; 0 (the default) takes a free one. */
  readonly port?: number;
  /** Remove `dir` on stop. */
  readonly ephemeral?: boolean;
  /** Databases that exist when the promise settles; names of a-z, 0-9 and _. */
  readonly databases?: readonly string[];
  readonly maxConnections?: number;
  /** False only where a crash of the machine may lose everything, as in tests. */
  readonly fsync?: boolean;
  /** The longest wait for the server to take connections, recovery after a crash included. */
  readonly startTimeoutMs?: number;
  /** How long a stop may take before sessions are cut. */
  readonly stopGraceMs?: number;
  /** Told what the user may want to know, one line each. */
  readonly notice?: (line: string) => void;
}

export interface EmbeddedPostgres {
  /** Of the maintenance database `postgres`; the user is superuser. Holds the password. */
  readonly url: string;
  urlOf(database: string): string;
  readonly port: number;
  readonly pid: number;
  /** Below `dir`, or where PostgreSQL's account can reach it. */
  readonly dataDir: string;
  /** Settles when the server has ended, with or without our doing. */
  readonly exited: Promise<void>;
  stop(): Promise<void>;
  /** At once and without waiting, for a process that is about to end: the next start recovers. */
  kill(): void;
}

/** The log is emptied at a start that finds it longer. */
const LOG_LIMIT_BYTES = 16 * 1024 * 1024;
const POLL_MS = 20;
/** Sessions of a server that was killed need a moment to notice; until then a new one refuses the folder. */
const START_ATTEMPTS = 5;

/**
 * A real PostgreSQL as a child of this process, on 127.0.0.1 only, with a random password (SCRAM). It is a process
 * group of its own, so that Ctrl-C reaches only us and we end it last. A server that a killed process left behind on
 * the same folder is stopped first. Throws FolderInUse, or an Error that says what is wrong.
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const { ephemeral = false, databases = [], stopGraceMs = 3_000, notice = () => undefined } = options;
  const account = chooseAccount();
  const binaries = findBinaries(account);
  mkdirSync(options.dir, { recursive: true });
  const home = makeHome(realpathSync(resolve(options.dir)), account);
  const lock = lockFolder(home.dir);
  try {
    const orphan = await stopOrphan(home.data, stopGraceMs);
    if (orphan !== undefined) notice(`stopped the PostgreSQL (process ${orphan}) that a crash had left running`);
    if (account !== undefined)
      notice(`PostgreSQL runs as the account ${account.name}, since it refuses root; its data is in ${home.owned}`);
    await ensureCluster(home, binaries, account);
    await ensureDatabases(home, binaries, account, databases);
    const server = await launch(home, binaries, account, options);
    let stopping: Promise<void> | undefined;
    const stop = async () => {
      // What is removed next needs no checkpoint.
      await endPostmaster(server.identity, ephemeral ? 0 : stopGraceMs);
      await server.exited;
      lock.release();
      if (ephemeral) removeHome(home);
    };
    const urlOf = (database: string) => `postgres://${DATABASE_USER}:${home.password}@127.0.0.1:${server.port}/${database}`;
    return {
      url: urlOf('postgres'),
      urlOf,
      port: server.port,
      pid: server.identity.pid,
      dataDir: home.data,
      exited: server.exited,
      stop: () => (stopping ??= stop()),
      kill: () => killPostmaster(server.identity),
    };
  } catch (error) {
    lock.release();
    if (ephemeral) removeHome(home);
    throw error;
  }
}

interface Launched {
  readonly port: number;
  readonly identity: ProcessIdentity;
  readonly exited: Promise<void>;
}

async function launch(home: Home, binaries: Binaries, account: Account | undefined, options: EmbeddedPostgresOptions): Promise<Launched> {
  const { port: wanted = 0, startTimeoutMs = 60_000 } = options;
  for (let attempt = 1; ; attempt += 1) {
    const port = wanted === 0 ? await freePort() : wanted;
    const logFrom = emptiedLog(home.log);
    const child = spawn(binaries.postgres, flags(home, port, options), {
      cwd: home.owned,
      env: cleanEnvironment,
      detached: true,
      stdio: ['ignore', logFrom.descriptor, logFrom.descriptor],
      ...(account && { uid: account.uid, gid: account.gid }),
    });
    closeSync(logFrom.descriptor);
    let failure: string | undefined;
    const exited = new Promise<void>((settle) => {
      child.once('error', (error) => {
        failure = error.message;
        settle();
      });
      child.once('exit', (code, signal) => {
        failure = `it ended with ${signal ?? code}`;
        settle();
      });
    });
    const identity = child.pid === undefined ? undefined : identityOf(child.pid);
    for (let waited = 0; failure === undefined && waited < startTimeoutMs; waited += POLL_MS) {
      if (identity !== undefined && isReady(home.data, identity.pid)) return { port, identity, exited };
      await pause(POLL_MS);
    }
    if (failure === undefined && identity !== undefined) await endPostmaster(identity, 1_000);
    const said = readFileSync(home.log, 'utf8').slice(logFrom.length).trim();
    const passing = said.includes('pre-existing shared memory block') || (wanted === 0 && said.includes('could not bind'));
    if (passing && attempt < START_ATTEMPTS) {
      await pause(500);
      continue;
    }
    throw new Error(
      `PostgreSQL does not start on 127.0.0.1:${port} (${failure ?? `not ready after ${startTimeoutMs} ms`}): ${said || 'it said nothing'}`,
    );
  }
}

const flags = (home: Home, port: number, { fsync = true, maxConnections = 100 }: EmbeddedPostgresOptions) => [
  ...['-D', home.data, '-p', String(port)],
  ...['-c', 'listen_addresses=127.0.0.1', '-c', 'unix_socket_directories='],
  ...['-c', `max_connections=${maxConnections}`, '-c', `fsync=${fsync ? 'on' : 'off'}`],
  ...['-c', 'log_destination=stderr', '-c', 'logging_collector=off', '-c', 'log_checkpoints=off'],
];

function emptiedLog(path: string): { descriptor: number; length: number } {
  const descriptor = openSync(path, 'a', 0o600);
  if (statSync(path).size > LOG_LIMIT_BYTES) truncateSync(path);
  return { descriptor, length: statSync(path).size };
}

const freePort = () =>
  new Promise<number>((settle, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as { port: number };
      probe.close(() => settle(port));
    });
  });
