import { Refusal, type HostRequest, type HostState } from '@kilonova/objects';
import type { HostFilter } from '../filter.ts';
import type { HostTable } from '../snapshot/host-table.ts';
import type { CompiledFilters } from './compiled.ts';

interface Counted {
  readonly filter: HostFilter;
  hosts: number;
  nearest: HostState;
}

/**
 * Each host counts for the first filter that refuses it; the nearest miss of a filter gives its reason, unless it keeps its
 * reasons apart. Most hosts first.
 */
export function refusalsOf(request: HostRequest, { all }: CompiledFilters, hosts: HostTable): Refusal[] {
  const counted = new Map<string, Counted>();
  for (let row = 0; row < hosts.extent; row += 1) {
    const host = hosts.at(row);
    if (host === undefined) continue;
    const filter = all.find(({ test }) => !test(row))?.filter;
    if (filter === undefined) continue;
    const key = filter.apart === undefined ? filter.name : `${filter.name} ${filter.why(host, request)}`;
    const found = counted.get(key);
    if (found === undefined) counted.set(key, { filter, hosts: 1, nearest: host });
    else {
      found.hosts += 1;
      if (filter.nearness !== undefined && filter.nearness(host) > filter.nearness(found.nearest)) found.nearest = host;
    }
  }
  return [...counted]
    .toSorted(([one, a], [other, b]) => b.hosts - a.hosts || (one < other ? -1 : 1))
    .map(([, { filter, hosts: count, nearest }]) =>
      Object.assign(new Refusal(), { filter: filter.name, hosts: count, reason: filter.why(nearest, request) }),
    );
}

/** `4 hosts considered: 3 not in zone test-az, 1 with 512 of 2048 MiB free` */
export const inWords = (considered: number, refusals: readonly Refusal[]): string => {
  const head = considered === 1 ? '1 host considered' : `${considered} hosts considered`;
  return refusals.length === 0 ? head : `${head}: ${refusals.map(({ hosts, reason }) => `${hosts} ${reason}`).join(', ')}`;
};
