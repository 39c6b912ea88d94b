import type { HostRequest } from '@kilonova/objects';
import type { Candidates } from './filter.ts';
import type { HostTable } from './snapshot/host-table.ts';

/**
 * How much a host is worth, whatever is asked for. A share of a fixed measure, about 0..1, and not of the other hosts that
 * happen to fit: so that a change of one host moves its own score only.
 */
export interface HostWeigher {
  /** As in `scheduler.<name>_weight_multiplier` and, in aggregate metadata, `<name>_weight_multiplier`. */
  readonly name: 'ram' | 'cpu' | 'disk' | 'io_ops' | 'build_failure';
  weight(hosts: HostTable, row: number): number;
}

/** How much more or less a few hosts are worth for one request. */
export interface RequestWeigher {
  readonly name: 'soft_affinity' | 'soft_anti_affinity';
  /** Undefined when the request gives it nothing to prefer. */
  compile(request: HostRequest, candidates: Candidates): RowWeights | undefined;
}

export interface RowWeights {
  /** All rows whose weight is not 0 when the request comes. Later ones are rows on which it was placed. */
  readonly rows: readonly number[];
  of(row: number): number;
}
