import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { commandOf, identityOf, isAlive, type ProcessIdentity } from '@kilonova/runtime';

/** What PostgreSQL writes into postmaster.pid, see src/include/utils/pidfile.h of its source. */
interface PidFile {
  readonly pid: number;
  readonly dataDir: string;
  readonly status: string;
}

const POLL_MS = 20;

export function readPidFile(dataDir: string): PidFile | undefined {
  try {
    const lines = readFileSync(join(dataDir, 'postmaster.pid'), 'utf8').split('\n');
    const pid = Number(lines[0]);
    if (!Number.isSafeInteger(pid) || pid <= 1) return undefined;
    return { pid, dataDir: lines[1] ?? '', status: (lines[7] ?? '').trim() };
  } catch {
    return undefined;
  }
}

/** Whether the server with this pid serves `dataDir` and takes connections (what `pg_ctl --wait` looks at). */
export const isReady = (dataDir: string, pid: number): boolean => {
  const found = readPidFile(dataDir);
  return found !== undefined && found.pid === pid && found.status === 'ready';
};

/**
 * Ends a server that a crashed `up` left on `dataDir`; returns its pid if there was one. The pid in the file is
 * believed only when that process is a PostgreSQL on this very folder: ids are reused, and PostgreSQL itself
 * refuses to start while any process has the old id, so the file is removed in that case.
 */
export async function stopOrphan(dataDir: string, graceMs: number): Promise<number | undefined> {
  const found = readPidFile(dataDir);
  if (found === undefined) return undefined;
  const identity = identityOf(found.pid);
  const command = commandOf(found.pid);
  if (identity === undefined || !command.includes('postgres') || !command.includes(dataDir)) {
    rmSync(join(dataDir, 'postmaster.pid'), { force: true });
    return undefined;
  }
  await endPostmaster(identity, graceMs);
  return found.pid;
}

/**
 * Fast shutdown (SIGINT: sessions are ended, a checkpoint is written); when that takes longer than `graceMs`, an
 * immediate one (SIGQUIT: the next start replays the log); at last SIGKILL. See "Shutting Down the Server" in its manual.
 */
export async function endPostmaster(identity: ProcessIdentity, graceMs: number): Promise<void> {
  for (const [signal, waitMs] of [
    ['SIGINT', graceMs],
    ['SIGQUIT', 1_000],
    ['SIGKILL', 1_000],
  ] as const) {
    if (!isAlive(identity)) return;
    try {
      process.kill(identity.pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ESRCH') return;
      throw error;
    }
    for (let waited = 0; waited < waitMs && isAlive(identity); waited += POLL_MS) await pause(POLL_MS);
  }
  if (isAlive(identity)) throw new Error(`PostgreSQL (process ${identity.pid}) does not end`);
}

/** Immediate shutdown without waiting for it. */
export function killPostmaster(identity: ProcessIdentity): void {
  if (!isAlive(identity)) return;
  try {
    process.kill(identity.pid, 'SIGQUIT');
  } catch {
    // It ended in between.
  }
}
