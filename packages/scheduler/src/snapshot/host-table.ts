/**
 * The snapshot: one row per host. What every decision reads stands in typed columns; what only a reason or a rare filter
 * reads stays in the host's state. Whatever is derived from rows and kept is mended by the logs of changed rows.
 */
import type { HostState } from '@kilonova/objects';
import { capacityOf, type Amount } from './capacity.ts';
import { KeptColumns } from './kept-columns.ts';
import { RowLog } from './row-log.ts';
import type { RowNumbers } from './row-numbers.ts';
import type { RowSet } from './row-set.ts';

const GROWTH = 64;
/** What is kept may be so far behind, as a part of all rows, before it is cheaper to make it anew. */
const REMEMBERED_PART = 0.25;

export class HostTable {
  /** What may be claimed of an empty host, after ratio and reserve. */
  capacityVcpus = new Float64Array(GROWTH);
  capacityMemoryMb = new Float64Array(GROWTH);
  capacityDiskGb = new Float64Array(GROWTH);
  /** What is left to claim, after allocations and recent answers. May be negative. */
  freeVcpus = new Float64Array(GROWTH);
  freeMemoryMb = new Float64Array(GROWTH);
  freeDiskGb = new Float64Array(GROWTH);
  instances = new Int32Array(GROWTH);
  ioOps = new Int32Array(GROWTH);
  /** Rows of which anything changed. */
  readonly changed = new RowLog();
  readonly #stateChanged = new RowLog();
  readonly #states: (HostState | undefined)[] = [];
  readonly #rows = new Map<string, number>();
  readonly #vacant: number[] = [];
  readonly #kept: KeptColumns;
  #revisions = 0;
  #largest: Amount = { vcpus: 0, memoryMb: 0, diskGb: 0 };
  #capacityChanged = false;

  /** @param maxKeptColumns how many sets of rows are kept, and how many columns of numbers; the least recently asked is forgotten. */
  constructor(maxKeptColumns: number) {
    this.#kept = new KeptColumns(this.#states, this.#stateChanged, maxKeptColumns);
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

  /** The sum of all hosts' revisions. */
  revisions(): number {
    return this.#revisions;
  }

  /** The greatest capacities of any host, each by itself. The same object as long as they are the same. */
  largest(): Amount {
    if (!this.#capacityChanged) return this.#largest;
    this.#capacityChanged = false;
    const found = {
      vcpus: greatest(this.capacityVcpus, this.extent),
      memoryMb: greatest(this.capacityMemoryMb, this.extent),
      diskGb: greatest(this.capacityDiskGb, this.extent),
    };
    const { vcpus, memoryMb, diskGb } = this.#largest;
    if (found.vcpus !== vcpus || found.memoryMb !== memoryMb || found.diskGb !== diskGb) this.#largest = found;
    return this.#largest;
  }

  /** Takes the host's absolute state unless a newer one is here. Returns the state that it replaced, or false if it did not. */
  put(host: HostState): HostState | undefined | false {
    const known = this.#rows.get(host.host);
    if (known !== undefined && this.#states[known]!.revision > host.revision) return false;
    return this.replace(host);
  }

  /** Takes the host's absolute state whatever is here. Returns the state that it replaced. */
  replace(host: HostState): HostState | undefined {
    const known = this.#rows.get(host.host);
    const before = known === undefined ? undefined : this.#states[known];
    const row = known ?? this.#vacant.pop() ?? this.#states.length;
    this.#rows.set(host.host, row);
    this.#states[row] = host;
    this.#revisions += host.revision - (before?.revision ?? 0);
    if (row >= this.freeVcpus.length) this.#grow(row);
    const capacity = capacityOf(host);
    this.#setCapacity(row, capacity);
    this.freeVcpus[row] = capacity.vcpus - host.vcpusUsed;
    this.freeMemoryMb[row] = capacity.memoryMb - host.memoryMbUsed;
    this.freeDiskGb[row] = capacity.diskGb - host.diskGbUsed;
    this.instances[row] = host.instances;
    this.ioOps[row] = host.ioOps;
    this.changed.add(row);
    this.#stateChanged.add(row);
    return before;
  }

  remove(host: string): void {
    const row = this.#rows.get(host);
    if (row === undefined) return;
    this.#revisions -= this.#states[row]!.revision;
    this.#rows.delete(host);
    this.#states[row] = undefined;
    this.#vacant.push(row);
    this.#setCapacity(row, { vcpus: 0, memoryMb: 0, diskGb: 0 });
    this.changed.add(row);
    this.#stateChanged.add(row);
  }

  /** Counts an instance on a host before its claim shows there (`times` 1), or no longer (-1). */
  take(row: number, amount: Amount, times: 1 | -1): void {
    this.freeVcpus[row]! -= times * amount.vcpus;
    this.freeMemoryMb[row]! -= times * amount.memoryMb;
    this.freeDiskGb[row]! -= times * amount.diskGb;
    this.instances[row]! += times;
    this.ioOps[row]! += times;
    this.changed.add(row);
  }

  /** The rows for which `holds` is true; kept under `key`, which must say all that `holds` depends on besides the host's state. */
  setOf(key: string, holds: (host: HostState) => boolean): RowSet {
    return this.#kept.setOf(key, holds);
  }

  /** What `read` says of each row's host; kept under `key`, like a set. */
  numbersOf(key: string, read: (host: HostState) => number | undefined): RowNumbers {
    return this.#kept.numbersOf(key, read);
  }

  #setCapacity(row: number, { vcpus, memoryMb, diskGb }: Amount): void {
    if (this.capacityVcpus[row] === vcpus && this.capacityMemoryMb[row] === memoryMb && this.capacityDiskGb[row] === diskGb) return;
    this.capacityVcpus[row] = vcpus;
    this.capacityMemoryMb[row] = memoryMb;
    this.capacityDiskGb[row] = diskGb;
    this.#capacityChanged = true;
  }

  #grow(row: number): void {
    const length = Math.max(row + 1, this.freeVcpus.length * 2);
    const wider = <T extends Float64Array | Int32Array>(old: T, fresh: T): T => {
      fresh.set(old);
      return fresh;
    };
    this.capacityVcpus = wider(this.capacityVcpus, new Float64Array(length));
    this.capacityMemoryMb = wider(this.capacityMemoryMb, new Float64Array(length));
    this.capacityDiskGb = wider(this.capacityDiskGb, new Float64Array(length));
    this.freeVcpus = wider(this.freeVcpus, new Float64Array(length));
    this.freeMemoryMb = wider(this.freeMemoryMb, new Float64Array(length));
    this.freeDiskGb = wider(this.freeDiskGb, new Float64Array(length));
    this.instances = wider(this.instances, new Int32Array(length));
    this.ioOps = wider(this.ioOps, new Int32Array(length));
    this.changed.remember(length * REMEMBERED_PART);
    this.#stateChanged.remember(length * REMEMBERED_PART);
  }
}

function greatest(column: Float64Array, extent: number): number {
  let found = 0;
  for (let row = 0; row < extent; row += 1) if (column[row]! > found) found = column[row]!;
  return found;
}
