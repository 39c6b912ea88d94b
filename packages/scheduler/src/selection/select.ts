/** Answers one request from the snapshot: filters, scores, then takes the best host instance by instance. */
import { HostSelection, HostSelections, type HostRequest } from '@kilonova/objects';
import type { Random } from '@kilonova/runtime';
import type { HostFilter } from '../filter.ts';
import { diskGbOf } from '../filters/resources.ts';
import type { Amount, HostTable } from '../snapshot/host-table.ts';
import type { HostWeigher } from '../weigher.ts';
import { BestFirst } from './best-first.ts';
import { inWords, refusalsOf, type CompiledFilter } from './explain.ts';
import { Placements } from './placements.ts';
import { Scores, type Multipliers } from './scores.ts';

export interface Policy {
  readonly filters: readonly HostFilter[];
  readonly weighers: readonly HostWeigher[];
  readonly multipliers: Multipliers;
  readonly hostSubsetSize: number;
  readonly maxAlternates: number;
}

export const amountOf = ({ flavor }: HostRequest): Amount => ({
  vcpus: flavor.vcpus,
  memoryMb: flavor.memoryMb,
  diskGb: diskGbOf(flavor),
});

/** The hosts' columns are used as scratch while the request is answered and are as before afterwards. */
export function select(request: HostRequest, hosts: HostTable, policy: Policy, random: Random): HostSelections {
  if (request.forcedHost !== null) return forced(request, hosts);
  const placed = new Placements();
  const compiled = policy.filters.flatMap((filter): CompiledFilter[] => {
    const test = filter.compile(request, { hosts, placed });
    return test === undefined ? [] : [{ filter, test }];
  });
  const tests = compiled.map(({ test }) => test);
  const fits = (row: number) => tests.every((test) => test(row));

  const candidates: number[] = [];
  for (let row = 0; row < hosts.extent; row += 1) if (hosts.at(row) !== undefined && fits(row)) candidates.push(row);
  const scores = new Scores(request, { hosts, placed }, candidates, policy.weighers, policy.multipliers);
  const queue = new BestFirst();
  for (const row of candidates) queue.push(row, scores.of(row), random.next());

  const amount = amountOf(request);
  const taken: number[] = [];
  const wanted = 1 + Math.min(request.alternates, policy.maxAlternates);
  const selections = request.instanceUuids.map((instanceUuid) => {
    const best = takeFitting(queue, fits, Math.max(wanted, policy.hostSubsetSize));
    moveRandomToFront(best, policy.hostSubsetSize, random);
    const chosen = best[0];
    if (chosen !== undefined) {
      hosts.take(chosen, amount, 1);
      placed.add(chosen);
      taken.push(chosen);
    }
    for (const row of best) queue.push(row, scores.of(row), random.next());
    return Object.assign(new HostSelection(), { instanceUuid, hosts: best.slice(0, wanted).map((row) => hosts.at(row)!.host) });
  });

  const unplaced = selections.some((selection) => selection.hosts.length === 0);
  const refusals = unplaced ? refusalsOf(request, compiled, hosts) : [];
  for (const row of taken) hosts.take(row, amount, -1);
  return Object.assign(new HostSelections(), {
    selections,
    hostsConsidered: hosts.size,
    refusals,
    explanation: unplaced ? inWords(hosts.size, refusals) : '',
  });
}

/** Rows that an earlier placement of this request ruled out leave the queue for good: none is given back before the end. */
function takeFitting(queue: BestFirst, fits: (row: number) => boolean, count: number): number[] {
  const best: number[] = [];
  while (best.length < count) {
    const row = queue.pop();
    if (row === undefined) break;
    if (fits(row)) best.push(row);
  }
  return best;
}

function moveRandomToFront(rows: number[], subset: number, random: Random): void {
  const drawn = Math.floor(random.next() * Math.min(subset, rows.length));
  if (drawn > 0) rows.unshift(...rows.splice(drawn, 1));
}

/** `zone:host` skips the filters; the claim still holds the host's capacity. */
function forced(request: HostRequest, hosts: HostTable): HostSelections {
  const row = request.excludedHosts.includes(request.forcedHost!) ? undefined : hosts.rowOf(request.forcedHost!);
  const found = row === undefined ? [] : [request.forcedHost!];
  return Object.assign(new HostSelections(), {
    selections: request.instanceUuids.map((instanceUuid) => Object.assign(new HostSelection(), { instanceUuid, hosts: [...found] })),
    hostsConsidered: found.length,
    explanation: found.length > 0 ? '' : `the forced host ${request.forcedHost} is unknown or was tried already`,
  });
}
