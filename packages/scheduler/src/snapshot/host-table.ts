/**
 * The snapshot: one row per host. What every decision reads stands in typed columns; what only a reason or a rare filter
 * reads stays in the host's state. Sets of rows that depend on a class of requests alone are kept, and mended row by row
 * as hosts change, so that a decision does not test metadata of hosts again.
 */
import type { HostState } from '@kilonova/objects';
import { RowSet } from './row-set.ts';

/** What a recent answer of this scheduler will take, until the claim shows in the host's state. */
export interface Amount {
  readonly vcpus: number;
  readonly memoryMb: number;
  readonly diskGb: number;
}

interface KeptSet {
  readonly rows: RowSet;
  readonly holds: (host: HostState) => boolean;
}

const GROWTH = 64;

export class HostTable {
  /** What is left to claim, after ratio, reserve, allocations and recent answers. May be negative. */
  freeVcpus = new Float64Array(GROWTH);
  freeMemoryMb = new Float64Array(GROWTH);
  freeDiskGb = new Float64Array(GROWTH);
  instances = new Int32Array(GROWTH);
  ioOps = new Int32Array(GROWTH);
  readonly #states: (HostState | undefined)[] = [];
  readonly #rows = new Map<string, number>();
  readonly #vacant: number[] = [];
  readonly #kept = new Map<string, KeptSet>();
  readonly #maxKeptSets: number;

  /** @param maxKeptSets how many classes of requests are remembered; the least recently asked is forgotten. */
  constructor(maxKeptSets: number) {
    this.#maxKeptSets = maxKeptSets;
  }

  get size(): number {
    return this.#rows.size;
  }

  /** Rows run from 0 to here; some may be vacant. */
  get extent(): number {
    return this.#states.length;
  }

  rowOf(host: string): number | undefined {
    return this.#rows.get(host);
  }

  /** Undefined for a vacant row. */
  at(row: number): HostState | undefined {
    return this.#states[row];
  }

  names(): IterableIterator<string> {
    return this.#rows.keys();
  }

  revisions(): number {
    let sum = 0;
    for (const row of this.#rows.values()) sum += this.#states[row]!.revision;
    return sum;
  }

  /** Takes the host's absolute state unless a newer one is here. Returns the state that it replaced, or false if it did not. */
  put(host: HostState): HostState | undefined | false {
    const known = this.#rows.get(host.host);
    const before = known === undefined ? undefined : this.#states[known];
    if (before !== undefined && before.revision > host.revision) return false;
    const row = known ?? this.#vacant.pop() ?? this.#states.length;
    this.#rows.set(host.host, row);
    this.#states[row] = host;
    if (row >= this.freeVcpus.length) this.#grow(row);
    this.freeVcpus[row] = Math.floor((host.vcpus - host.reservedVcpus) * host.cpuRatio) - host.vcpusUsed;
    this.freeMemoryMb[row] = Math.floor((host.memoryMb - host.reservedMemoryMb) * host.memoryRatio) - host.memoryMbUsed;
    this.freeDiskGb[row] = Math.floor((host.diskGb - host.reservedDiskGb) * host.diskRatio) - host.diskGbUsed;
    this.instances[row] = host.instances;
    this.ioOps[row] = host.ioOps;
    for (const kept of this.#kept.values()) kept.rows.put(row, kept.holds(host));
    return before;
  }

  remove(host: string): void {
    const row = this.#rows.get(host);
    if (row === undefined) return;
    this.#rows.delete(host);
    this.#states[row] = undefined;
    this.#vacant.push(row);
    for (const kept of this.#kept.values()) kept.rows.put(row, false);
  }

  /** Counts an instance on a host before its claim shows there (`times` 1), or no longer (-1). */
  take(row: number, amount: Amount, times: 1 | -1): void {
    this.freeVcpus[row]! -= times * amount.vcpus;
    this.freeMemoryMb[row]! -= times * amount.memoryMb;
    this.freeDiskGb[row]! -= times * amount.diskGb;
    this.instances[row]! += times;
    this.ioOps[row]! += times;
  }

  /** The rows for which `holds` is true; kept under `key`, which must say all that `holds` depends on besides the host. */
  setOf(key: string, holds: (host: HostState) => boolean): RowSet {
    const known = this.#kept.get(key);
    if (known !== undefined) {
      this.#kept.delete(key);
      this.#kept.set(key, known);
      return known.rows;
    }
    const rows = new RowSet();
    for (const row of this.#rows.values()) rows.put(row, holds(this.#states[row]!));
    if (this.#kept.size >= this.#maxKeptSets) this.#kept.delete(this.#kept.keys().next().value!);
    this.#kept.set(key, { rows, holds });
    return rows;
  }

  #grow(row: number): void {
    const length = Math.max(row + 1, this.freeVcpus.length * 2);
    const wider = <T extends Float64Array | Int32Array>(old: T, fresh: T): T => {
      fresh.set(old);
      return fresh;
    };
    this.freeVcpus = wider(this.freeVcpus, new Float64Array(length));
    this.freeMemoryMb = wider(this.freeMemoryMb, new Float64Array(length));
    this.freeDiskGb = wider(this.freeDiskGb, new Float64Array(length));
    this.instances = wider(this.instances, new Int32Array(length));
    this.ioOps = wider(this.ioOps, new Int32Array(length));
  }
}
