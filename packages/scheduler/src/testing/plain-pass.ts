/**
 * For tests: what the selector must find, without anything kept. Every host is tested and scored for every instance, from the
 * states and the scheduler's own answers alone.
 */
import type { HostRequest, HostState } from '@kilonova/objects';
import { diskGbOf } from '../filters/resources.ts';
import { HostTable } from '../snapshot/host-table.ts';
import { Placements } from '../selection/placements.ts';
import { multiplierOf } from '../selection/scores.ts';
import type { Policy } from '../selection/selector.ts';

export interface PlainPass {
  /** Every host that fits now, with its score, the best first. */
  ranked(): readonly { readonly host: string; readonly score: number }[];
  /** How many hosts each filter is the first to refuse. */
  refused(): ReadonlyMap<string, number>;
  /** The next instance comes after one on this host. */
  place(host: string): void;
}

/** @param answered own answers that count as used: host, and what each takes */
export function plainPass(
  request: HostRequest,
  states: Iterable<HostState>,
  answered: Iterable<{ readonly host: string; readonly request: HostRequest }>,
  policy: Policy,
): PlainPass {
  const hosts = new HostTable(1_000);
  for (const state of states) hosts.put(state);
  const take = (host: string, { flavor }: HostRequest) =>
    hosts.take(hosts.rowOf(host)!, { vcpus: flavor.vcpus, memoryMb: flavor.memoryMb, diskGb: diskGbOf(flavor) }, 1);
  for (const { host, request: earlier } of answered) take(host, earlier);
  const placed = new Placements();
  const candidates = { hosts, placed };
  const tests = policy.filters.flatMap((filter) => {
    const compiled = filter.compile(request, candidates);
    return compiled === undefined ? [] : [{ name: filter.name, test: compiled.test }];
  });
  const weights = policy.requestWeighers.flatMap(({ name, compile }) => {
    const compiled = compile(request, candidates);
    return compiled === undefined ? [] : [{ name, of: compiled.of }];
  });
  const scoreOf = (row: number) => {
    let score = 0;
    for (const { name, weight } of policy.hostWeighers) score += multiplierOf(hosts, name, policy.multipliers)(row) * weight(hosts, row);
    for (const { name, of } of weights) score += multiplierOf(hosts, name, policy.multipliers)(row) * of(row);
    return score;
  };
  const rows = () => [...hosts.names()].map((host) => hosts.rowOf(host)!);
  return {
    ranked: () =>
      rows()
        .filter((row) => tests.every(({ test }) => test(row)))
        .map((row) => ({ host: hosts.at(row)!.host, score: scoreOf(row) }))
        .toSorted((a, b) => b.score - a.score),
    refused() {
      const counts = new Map<string, number>();
      for (const row of rows()) {
        const first = tests.find(({ test }) => !test(row))?.name;
        if (first !== undefined) counts.set(first, (counts.get(first) ?? 0) + 1);
      }
      return counts;
    },
    place(host) {
      take(host, request);
      placed.add(hosts.rowOf(host)!);
    },
  };
}
