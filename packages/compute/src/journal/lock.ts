import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Another agent, alive, works on the same journal. */
export class JournalInUse extends Error {
  override readonly name = 'JournalInUse';

  constructor(
    readonly folder: string,
    readonly holder: number,
  ) {
    super(`${folder} is in use by the agent in process ${holder}; two agents on one journal would undo each other's work`);
  }
}

/** A process id is reused; together with when the process began (in ticks of one boot) it names one process. */
interface Holder {
  readonly pid: number;
  readonly began: string;
}

/**
 * Keeps other agents off the folder by the file `lock` in it. The lock of a process that is gone is taken over.
 * @throws JournalInUse
 */
export function lockJournal(folder: string): { release(): void } {
  const path = join(folder, 'lock');
  const own = JSON.stringify({ pid: process.pid, began: beganOf(process.pid) ?? '' } satisfies Holder);
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, own, { mode: 0o600 });
  try {
    // Link and rename are atomic, so nobody sees half a lock; of two that take over, one loses its second link.
    while (!linked(draft, path)) {
      const holder = holderOf(path);
      if (holder !== undefined && isAlive(holder)) throw new JournalInUse(folder, holder.pid);
      const stale = `${path}.stale.${process.pid}`;
      try {
        renameSync(path, stale);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
        continue; // another one was faster
      }
      // Between the look and the rename the lock may have become a living one's: then it goes back.
      const moved = holderOf(stale);
      if (moved !== undefined && isAlive(moved)) {
        linked(stale, path);
        rmSync(stale, { force: true });
        throw new JournalInUse(folder, moved.pid);
      }
      rmSync(stale, { force: true });
    }
  } finally {
    rmSync(draft, { force: true });
  }
  return { release: () => rmSync(path, { force: true }) };
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
function holderOf(path: string): Holder | undefined {
  try {
    const { pid, began } = JSON.parse(readFileSync(path, 'utf8')) as Partial<Holder>;
    return typeof pid === 'number' && typeof began === 'string' ? { pid, began } : undefined;
  } catch {
    return undefined;
  }
}

const isAlive = ({ pid, began }: Holder): boolean => beganOf(pid) === began;

/** Fields 3 (state) and 22 (start, in ticks since boot) of /proc/PID/stat, see proc(5); elsewhere only whether it lives. */
function beganOf(pid: number): string | undefined {
  try {
    if (process.platform !== 'linux') return process.kill(pid, 0) ? '' : undefined;
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (fields[0] === 'Z' || fields[0] === 'X') return undefined; // dead, only not yet reaped
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()}:${fields[19]}`;
  } catch {
    return undefined;
  }
}
