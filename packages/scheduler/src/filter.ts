import type { HostRequest, HostState } from '@kilonova/objects';
import type { Placements } from './selection/placements.ts';
import type { HostTable } from './snapshot/host-table.ts';

/** May this row be used? Asked once per host and placement; must not allocate. */
export type RowTest = (row: number) => boolean;

/** What a filter's test may look at besides the request. */
export interface Candidates {
  readonly hosts: HostTable;
  /** Where this request's own instances were put a moment ago. */
  readonly placed: Placements;
}

/**
 * A filter is a test that is compiled once per request, and the reason for a refusal, asked for only when no host is
 * left. No I/O, no memory.
 */
export interface HostFilter {
  readonly name: string;
  /** Undefined when the request asks nothing of this filter. */
  compile(request: HostRequest, candidates: Candidates): RowTest | undefined;
  /** Follows a count: "3 " + "not in zone test-az". */
  why(host: HostState, request: HostRequest): string;
  /** Greater means that less was missing; the nearest miss gives the reason for all that the filter refused. */
  nearness?(host: HostState): number;
}
