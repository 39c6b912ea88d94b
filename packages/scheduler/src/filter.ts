import type { HostRequest, HostState } from '@kilonova/objects';
import type { Placements } from './selection/placements.ts';
import type { HostTable } from './snapshot/host-table.ts';

/** May this row be used? Must not allocate. */
export type RowTest = (row: number) => boolean;

/** What a filter's test may look at besides the request. */
export interface Candidates {
  readonly hosts: HostTable;
  /** Where this request's own instances were put a moment ago. */
  readonly placed: Placements;
}

/** A test that looks at the host and at what a whole class of requests has in common: its rows are kept in order. */
export interface ClassTest {
  readonly test: RowTest;
  /** Must say all that the test depends on besides the host: equal keys, equal answers. */
  readonly classKey: string;
}

/** A test that looks at what this request alone has: run only for rows that are about to be taken. */
export interface RequestTest {
  readonly test: RowTest;
  readonly classKey?: undefined;
  /** The only rows that can pass as things are; undefined when any could. Saves looking through all others. */
  readonly only?: () => readonly number[] | undefined;
}

/**
 * A filter is a test that is compiled once per request, and the reason for a refusal, asked for only when no host is
 * left. No I/O, no memory.
 */
export interface HostFilter {
  readonly name: string;
  /** Undefined when the request asks nothing of this filter. */
  compile(request: HostRequest, candidates: Candidates): ClassTest | RequestTest | undefined;
  /** Follows a count: "3 " + "not in zone test-az". */
  why(host: HostState, request: HostRequest): string;
  /** Greater means that less was missing; the nearest miss gives the reason for all that the filter refused. */
  nearness?(host: HostState): number;
  /** It has two or three reasons at most, and hosts are counted for each: none of them stands for the others. */
  readonly apart?: true;
}

/** A class test of what follows from the host's state alone; the rows that pass are kept under the key. */
export function keptTest(hosts: HostTable, classKey: string, holds: (host: HostState) => boolean): ClassTest {
  const rows = hosts.setOf(classKey, holds);
  return { classKey, test: (row) => rows.has(row) };
}

/** Of those hosts that are known. */
export const rowsOf = (hosts: HostTable, names: readonly string[]): number[] =>
  names.map((name) => hosts.rowOf(name)).filter((row) => row !== undefined);
