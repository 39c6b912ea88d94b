import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { identityOf, isAlive, type ProcessIdentity } from './process-identity.ts';

/** The folder is in use by a living process; `holder` says which. */
export class FolderInUse extends Error {
  override readonly name = 'FolderInUse';

  constructor(
    readonly folder: string,
    readonly holder: number,
  ) {
    super(`${folder} is in use by process ${holder}`);
  }
}

export interface FolderLock {
  /** Whether a lock of a process that is gone was replaced. */
  readonly tookOver: boolean;
  release(): void;
}

/**
 * Holds `folder` for this process by the file `lock` in it. The lock of a process that is gone (also when its id
 * belongs to another one by now) is taken over.
 * @throws FolderInUse
 */
export function lockFolder(folder: string): FolderLock {
  const path = join(folder, 'lock');
  const self = identityOf(process.pid);
  if (self === undefined) throw new Error(`cannot tell when process ${process.pid} began, which the lock ${path} needs`);
  const own = JSON.stringify(self);
  const draft = `${path}.${process.pid}`;
  // Everybody may read who holds it: one who may not would take it for torn.
  writeFileSync(draft, own, { mode: 0o644 });
  let tookOver = false;
  try {
    // Link and rename are atomic, so nobody sees half a lock; of two that take over, one loses its second link.
    while (!linked(draft, path)) {
      const holder = holderOf(path);
      if (holder !== undefined && isAlive(holder)) throw new FolderInUse(folder, holder.pid);
      tookOver = movedAside(folder, path) || tookOver;
    }
  } finally {
    rmSync(draft, { force: true });
  }
  return {
    tookOver,
    release: () => {
      const holder = holderOf(path);
      if (holder !== undefined && JSON.stringify(holder) === own) rmSync(path, { force: true });
    },
  };
}

/** False when another process was faster. Between the look and the rename the lock may have become a living one's: then it goes back. */
function movedAside(folder: string, path: string): boolean {
  const stale = `${path}.stale.${process.pid}`;
  try {
    renameSync(path, stale);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return false;
  }
  try {
    const moved = holderOf(stale);
    if (moved === undefined || !isAlive(moved)) return true;
    linked(stale, path);
    throw new FolderInUse(folder, moved.pid);
  } finally {
    rmSync(stale, { force: true });
  }
}

function linked(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    return false;
  }
}

/** Undefined when there is none, or when a crash of the machine tore it: nobody holds it then. */
function holderOf(path: string): ProcessIdentity | undefined {
  let content: string;
  try {
    content = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const { pid, began } = JSON.parse(content) as Partial<ProcessIdentity>;
    return typeof pid === 'number' && typeof began === 'string' ? { pid, began } : undefined;
  } catch {
    return undefined;
  }
}
