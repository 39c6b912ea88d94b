import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { identityOf, isAlive, type ProcessIdentity } from './process-identity.ts';

/** How long a take-over waits to see whether another process took over at the same moment. */
const SETTLE_MS = 100;

/** The folder is in use by a living process; `holder` says which. */
export class FolderInUse extends Error {
  readonly folder: string;
  readonly holder: number;

  constructor(folder: string, holder: number) {
    super(`${folder} is in use by process ${holder}`);
    this.name = 'FolderInUse';
    this.folder = folder;
    this.holder = holder;
  }
}

export interface FolderLock {
  /** Whether a lock of a process that is gone was replaced. */
  readonly tookOver: boolean;
  release(): void;
}

/**
 * Holds `folder` for this process by the file `lock` in it. The lock of a process that is gone (also when its id
 * belongs to another one by now) is taken over. Throws FolderInUse.
 */
export async function lockFolder(folder: string): Promise<FolderLock> {
  const path = join(folder, 'lock');
  const self = identityOf(process.pid);
  if (self === undefined) throw new Error(`cannot tell when process ${process.pid} began, which the lock ${path} needs`);
  const own = JSON.stringify(self);
  const draft = `${path}.${process.pid}`;
  // Link and rename are atomic: nobody ever sees half a lock.
  writeFileSync(draft, own, { mode: 0o644 });
  let tookOver = false;
  try {
    for (;;) {
      try {
        linkSync(draft, path);
        break;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
      const holder = holderOf(path);
      if (holder === 'gone') continue;
      if (holder !== 'unreadable' && isAlive(holder)) throw new FolderInUse(folder, holder.pid);
      renameSync(draft, path);
      await pause(SETTLE_MS);
      const winner = holderOf(path);
      if (winner !== 'gone' && winner !== 'unreadable' && JSON.stringify(winner) !== own) throw new FolderInUse(folder, winner.pid);
      tookOver = true;
      break;
    }
  } finally {
    rmSync(draft, { force: true });
  }
  return {
    tookOver,
    release: () => {
      const holder = holderOf(path);
      if (typeof holder === 'object' && JSON.stringify(holder) === own) rmSync(path, { force: true });
    },
  };
}

function holderOf(path: string): ProcessIdentity | 'gone' | 'unreadable' {
  let content: string;
  try {
    content = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'gone';
    throw error;
  }
  try {
    const { pid, began } = JSON.parse(content) as Partial<ProcessIdentity>;
    if (typeof pid === 'number' && typeof began === 'string') return { pid, began };
  } catch {
    // Torn by a crash of the machine: nobody holds it.
  }
  return 'unreadable';
}
