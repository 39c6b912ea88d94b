import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** Linux counts processor time in hundredths of a second. */
const TICK_US = 10_000;

/** Reads the processor time of the local process that listens on the broker's port; NaN where that cannot be known. */
export function brokerCpu(url: string): () => number {
  const id = listenerOf(Number(new URL(url).port || 5672));
  if (id === undefined) return () => Number.NaN;
  return () => {
    const fields = readFileSync(`/proc/${id}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
    return (Number(fields[11]) + Number(fields[12])) * TICK_US;
  };
}

function listenerOf(port: number): string | undefined {
  const inode = socketOf(port);
  if (inode === undefined) return undefined;
  return readdirSync('/proc').find((id) => /^\d+$/.test(id) && filesOf(id).includes(`socket:[${inode}]`));
}

function socketOf(port: number): string | undefined {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6'])
    for (const line of textOf(table).split('\n').slice(1)) {
      const [, local = '', , state, , , , , , inode] = line.trim().split(/\s+/);
      if (local.endsWith(suffix) && state === '0A') return inode;
    }
  return undefined;
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function filesOf(id: string): readonly string[] {
  try {
    return readdirSync(`/proc/${id}/fd`).map((name) => readlinkSync(`/proc/${id}/fd/${name}`));
  } catch {
    return []; // ended meanwhile, or another user's
  }
}
