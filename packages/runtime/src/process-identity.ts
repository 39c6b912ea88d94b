import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/**
 * A process id alone is no identity: ids are reused, soon after a reboot even for the same program. Together with the
 * time the process began (and the boot it belongs to) it is one.
 */
export interface ProcessIdentity {
  readonly pid: number;
  /** Opaque; equal only for the very same process. */
  readonly began: string;
}

/** Undefined when no such process runs. */
export function identityOf(pid: number): ProcessIdentity | undefined {
  const began = process.platform === 'linux' ? beganOnLinux(pid) : beganElsewhere(pid);
  return began === undefined ? undefined : { pid, began };
}

export const isAlive = ({ pid, began }: ProcessIdentity): boolean => identityOf(pid)?.began === began;

/** The command line, arguments separated by blanks; '' when no such process runs or it may not be read. */
export function commandOf(pid: number): string {
  try {
    if (process.platform === 'linux') return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
    return askPs(pid, 'command=');
  } catch {
    return '';
  }
}

/** Fields 3 (state) and 22 (start time in ticks since boot) of /proc/PID/stat, see proc(5). */
function beganOnLinux(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (fields[0] === 'Z' || fields[0] === 'X') return undefined; // dead, only not yet reaped
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()}:${fields[19]}`;
  } catch {
    return undefined;
  }
}

function beganElsewhere(pid: number): string | undefined {
  try {
    return askPs(pid, 'lstart=') || undefined;
  } catch {
    return undefined;
  }
}

const askPs = (pid: number, column: string) => execFileSync('ps', ['-o', column, '-p', String(pid)], { encoding: 'utf8' }).trim();
