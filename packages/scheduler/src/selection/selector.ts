/** Answers requests from the snapshot: the order of the class, what the request adds, then instance by instance. */
import { HostSelection, HostSelections, type HostRequest } from '@kilonova/objects';
import type { Random } from '@kilonova/runtime';
import type { HostFilter } from '../filter.ts';
import { diskGbOf } from '../filters/resources.ts';
import type { Amount } from '../snapshot/capacity.ts';
import type { HostTable } from '../snapshot/host-table.ts';
import type { HostWeigher, RequestWeigher } from '../weigher.ts';
import { compileFilters, type CompiledFilters } from './compiled.ts';
import { inWords, refusalsOf } from './explain.ts';
import { KeptOrders } from './kept-orders.ts';
import { Placements } from './placements.ts';
import { multiplierOf, Scores, type Multipliers } from './scores.ts';
import { Search, type Weighted } from './search.ts';

export interface Policy {
  readonly filters: readonly HostFilter[];
  readonly hostWeighers: readonly HostWeigher[];
  readonly requestWeighers: readonly RequestWeigher[];
  readonly multipliers: Multipliers;
  readonly hostSubsetSize: number;
  readonly maxAlternates: number;
  readonly maxKeptOrders: number;
}

/** Counts an instance on the row from now on. */
export type Count = (row: number, amount: Amount) => void;

const amountOf = ({ flavor }: HostRequest): Amount => ({
  vcpus: flavor.vcpus,
  memoryMb: flavor.memoryMb,
  diskGb: diskGbOf(flavor),
});

export class Selector {
  readonly #hosts: HostTable;
  readonly #policy: Policy;
  readonly #random: Random;
  readonly #count: Count;
  readonly #scores: Scores;
  readonly #orders: KeptOrders;

  constructor(hosts: HostTable, policy: Policy, random: Random, count: Count) {
    this.#hosts = hosts;
    this.#policy = policy;
    this.#random = random;
    this.#count = count;
    this.#scores = new Scores(hosts, policy.hostWeighers, policy.multipliers, random);
    this.#orders = new KeptOrders(hosts, this.#scores, policy.maxKeptOrders);
  }

  /** How often all hosts were looked at to put those of a class in order. */
  get orderBuilds(): number {
    return this.#orders.builds;
  }

  select(request: HostRequest): HostSelections {
    if (request.forcedHost !== null) return this.#forced(request);
    const hosts = this.#hosts;
    const placed = new Placements();
    const filters = compileFilters(this.#policy.filters, request, { hosts, placed });
    const selections = this.#choose(request, filters, placed);
    const unplaced = selections.some((selection) => selection.hosts.length === 0);
    const refusals = unplaced ? refusalsOf(request, filters, hosts) : [];
    return Object.assign(new HostSelections(), {
      selections,
      hostsConsidered: hosts.size,
      refusals,
      explanation: unplaced ? inWords(hosts.size, refusals) : '',
    });
  }

  /** One after the other, each seeing what those before it took. */
  #choose(request: HostRequest, { classKey, fits, ofRequest }: CompiledFilters, placed: Placements): HostSelection[] {
    const { hostSubsetSize, maxAlternates } = this.#policy;
    const amount = amountOf(request);
    const wanted = 1 + Math.min(request.alternates, maxAlternates);
    return this.#orders.use(classKey, fits, (order) => {
      const search = new Search({ order, scores: this.#scores, fits, tests: ofRequest, weighted: this.#weighted(request, placed) });
      const selections = request.instanceUuids.map((instanceUuid) => {
        const best = search.take(Math.max(wanted, hostSubsetSize));
        moveRandomToFront(best, hostSubsetSize, this.#random);
        const chosen = best[0];
        if (chosen !== undefined) {
          this.#count(chosen, amount);
          placed.add(chosen);
          this.#scores.catchUp();
        }
        search.giveBack(best, chosen);
        return Object.assign(new HostSelection(), { instanceUuid, hosts: best.slice(0, wanted).map((row) => this.#hosts.at(row)!.host) });
      });
      search.end();
      return selections;
    });
  }

  #weighted(request: HostRequest, placed: Placements): Weighted[] {
    const hosts = this.#hosts;
    return this.#policy.requestWeighers.flatMap(({ name, compile }): Weighted[] => {
      const weights = compile(request, { hosts, placed });
      return weights === undefined ? [] : [{ weights, multiplier: multiplierOf(hosts, name, this.#policy.multipliers) }];
    });
  }

  /** `zone:host` skips the filters; the claim still holds the host's capacity. */
  #forced(request: HostRequest): HostSelections {
    const { forcedHost, excludedHosts, instanceUuids } = request;
    const row = excludedHosts.includes(forcedHost!) ? undefined : this.#hosts.rowOf(forcedHost!);
    const found = row === undefined ? [] : [forcedHost!];
    if (row !== undefined) for (const _ of instanceUuids) this.#count(row, amountOf(request));
    return Object.assign(new HostSelections(), {
      selections: instanceUuids.map((instanceUuid) => Object.assign(new HostSelection(), { instanceUuid, hosts: [...found] })),
      hostsConsidered: found.length,
      explanation: found.length > 0 ? '' : `the forced host ${forcedHost} is unknown or was tried already`,
    });
  }
}

function moveRandomToFront(rows: number[], subset: number, random: Random): void {
  if (subset <= 1 || rows.length <= 1) return;
  const drawn = Math.floor(random.next() * Math.min(subset, rows.length));
  if (drawn > 0) rows.unshift(...rows.splice(drawn, 1));
}
