/** CPU seconds and memory of processes by name, as Linux counts them: a process with its children, and with those that ended. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';

/** CPU seconds by name. */
export type CpuSeconds = Readonly<Record<string, number>>;

/** Of /proc/PID/stat; Linux has had it at 100 on every architecture that Node runs on. */
const TICKS_PER_SECOND = 100;

interface Row {
  readonly parent: number;
  readonly seconds: number;
}

export class WatchedProcesses {
  readonly #roots: ReadonlyMap<string, readonly number[]>;

  private constructor(roots: ReadonlyMap<string, readonly number[]>) {
    this.#roots = roots;
  }

  /**
   * @param specs a folder of files NAME.pid, or NAME=PID or NAME=PID,PID; NAME-1 and NAME-2 count as NAME
   * @throws Error for a spec that is neither, or a process that does not run
   */
  static of(specs: readonly string[]): WatchedProcesses {
    const roots = new Map<string, readonly number[]>();
    for (const spec of specs)
      for (const [name, pids] of namedBy(spec)) {
        const group = name.replace(/-\d+$/, '');
        roots.set(group, [...(roots.get(group) ?? []), ...pids]);
      }
    const table = processTable();
    for (const [name, pids] of roots)
      for (const pid of pids) if (!table.has(pid)) throw new Error(`--watch: ${name} has the process ${pid}, which does not run`);
    return new WatchedProcesses(roots);
  }

  get names(): readonly string[] {
    return [...this.#roots.keys()];
  }

  /** CPU now, since their start. A process that has ended counts nothing. */
  read(): CpuSeconds {
    if (this.#roots.size === 0) return {};
    const table = processTable();
    return this.#perName(table, (pid) => table.get(pid)?.seconds ?? 0);
  }

  /** Memory now, shared pages in parts (PSS); MB of a million bytes. 0 where the system does not let us look. */
  memoryMb(): Readonly<Record<string, number>> {
    return this.#roots.size === 0 ? {} : this.#perName(processTable(), memoryOf);
  }

  /** The sum over each name's processes and all that they started. */
  #perName(table: ReadonlyMap<number, Row>, amountOf: (pid: number) => number): Readonly<Record<string, number>> {
    const children = new Map<number, number[]>();
    for (const [pid, { parent }] of table) {
      const siblings = children.get(parent);
      if (siblings === undefined) children.set(parent, [pid]);
      else siblings.push(pid);
    }
    return Object.fromEntries(
      [...this.#roots].map(([name, pids]) => {
        const family = new Set<number>(pids);
        for (const pid of family) for (const child of children.get(pid) ?? []) family.add(child);
        return [name, [...family].reduce((sum, pid) => sum + amountOf(pid), 0)];
      }),
    );
  }
}

export const cpuBetween = (before: CpuSeconds, after: CpuSeconds): CpuSeconds =>
  Object.fromEntries(Object.entries(after).map(([name, seconds]) => [name, Math.max(0, seconds - (before[name] ?? 0))]));

function namedBy(spec: string): readonly (readonly [string, readonly number[]])[] {
  const equals = spec.indexOf('=');
  if (equals > 0) {
    const pids = spec.slice(equals + 1).split(',');
    if (!pids.every((pid) => /^\d+$/.test(pid))) throw new Error(`--watch: expected NAME=PID[,PID...], found ${JSON.stringify(spec)}`);
    return [[spec.slice(0, equals), pids.map(Number)]];
  }
  if (!statSync(spec, { throwIfNoEntry: false })?.isDirectory())
    throw new Error(`--watch: expected NAME=PID or a folder of NAME.pid files, found ${JSON.stringify(spec)}`);
  const files = readdirSync(spec).filter((file) => file.endsWith('.pid'));
  if (files.length === 0) throw new Error(`--watch: ${spec} holds no NAME.pid file`);
  return files.toSorted().map((file) => {
    const text = readFileSync(join(spec, file), 'utf8').trim();
    if (!/^\d+$/.test(text)) throw new Error(`--watch: expected a process id in ${file}, found ${JSON.stringify(text.slice(0, 40))}`);
    return [basename(file, '.pid'), [Number(text)]] as const;
  });
}

function memoryOf(pid: number): number {
  try {
    const kib = /^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1];
    return (Number(kib ?? 0) * 1_024) / 1_000_000;
  } catch {
    return 0;
  }
}

function processTable(): ReadonlyMap<number, Row> {
  const table = new Map<number, Row>();
  let entries: readonly string[];
  try {
    entries = readdirSync('/proc');
  } catch {
    return table; // not Linux: nothing is counted
  }
  for (const entry of entries) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const text = readFileSync(`/proc/${entry}/stat`, 'utf8');
      // The name in brackets may hold anything; numbers follow the last bracket: state, parent, ... utime stime cutime cstime.
      const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
      const ticks = [11, 12, 13, 14].reduce((sum, at) => sum + Number(fields[at]), 0);
      table.set(Number(entry), { parent: Number(fields[1]), seconds: ticks / TICKS_PER_SECOND });
    } catch {
      // ended meanwhile
    }
  }
  return table;
}
