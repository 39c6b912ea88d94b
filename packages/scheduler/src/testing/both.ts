/** For tests: a scheduler's snapshot and selector, and beside them the plain facts that they stand for. */
import assert from 'node:assert/strict';
import type { HostRequest, HostState } from '@kilonova/objects';
import { systemClock, type Random } from '@kilonova/runtime';
import { Selector, type Policy } from '../selection/selector.ts';
import { HostTable } from '../snapshot/host-table.ts';
import { RecentAnswers } from '../snapshot/recent-answers.ts';
import { aHost } from './builders.ts';
import { plainPass } from './plain-pass.ts';

const KEPT_MS = 1_000;

interface Answered {
  readonly host: string;
  readonly request: HostRequest;
  readonly until: number;
}

export class Both {
  readonly #states = new Map<string, HostState>();
  #answered: Answered[] = [];
  #now = 0;
  readonly #table: HostTable;
  readonly #answers: RecentAnswers;
  readonly #policy: Policy;
  readonly #selector: Selector;
  readonly seen = { placed: 0, refused: 0, several: 0 };

  constructor(policy: Policy, maxKeptSets: number, random: Random) {
    this.#table = new HostTable(maxKeptSets);
    this.#answers = new RecentAnswers(this.#table, { ...systemClock, monotonic: () => this.#now }, KEPT_MS);
    this.#policy = policy;
    this.#selector = new Selector(this.#table, policy, random, (row, amount) => this.#answers.count(row, amount));
  }

  revisionOf(host: string): number {
    return this.#states.get(host)?.revision ?? 0;
  }

  put(state: HostState): void {
    const before = this.#table.put(state);
    if (before !== false) this.#answers.settle(before, state);
    const known = this.#states.get(state.host);
    if (known === undefined || known.revision <= state.revision) this.#note(state);
  }

  /** As a load does it, whatever the revision. */
  replace(state: HostState): void {
    this.#answers.settle(this.#table.replace(state), state);
    this.#note(state);
  }

  #note(state: HostState): void {
    const known = this.#states.get(state.host);
    this.#states.set(state.host, state);
    let claimed = Math.max(0, state.instances - (known?.instances ?? 0));
    this.#answered = this.#answered.filter(({ host }) => host !== state.host || claimed-- <= 0);
  }

  /** The oldest answer's claim shows, if there is one. */
  claim(): void {
    const [oldest] = this.#answered;
    const state = oldest && this.#states.get(oldest.host)!;
    if (state === undefined) return;
    const { flavor } = oldest!.request;
    this.put(
      aHost({
        ...state,
        revision: state.revision + 1,
        instances: state.instances + 1,
        vcpusUsed: state.vcpusUsed + flavor.vcpus,
        memoryMbUsed: state.memoryMbUsed + flavor.memoryMb,
      }),
    );
  }

  remove(host: string): void {
    this.#table.remove(host);
    this.#answers.forget(host);
    this.#states.delete(host);
    this.#answered = this.#answered.filter((answer) => answer.host !== host);
  }

  pass(ms: number): void {
    this.#now += ms;
  }

  /** Asks, and compares with the plain pass instance by instance. @throws AssertionError */
  ask(request: HostRequest, what: string): void {
    this.#answers.expire();
    this.#answered = this.#answered.filter(({ until }) => until > this.#now);
    const plain = plainPass(request, this.#states.values(), this.#answered, this.#policy);
    const answer = this.#selector.select(request);
    const { hostSubsetSize } = this.#policy;
    const wanted = 1 + request.alternates;
    for (const { hosts } of answer.selections) {
      const ranked = plain.ranked().slice(0, Math.max(wanted, hostSubsetSize));
      const scoreOf = new Map(plain.ranked().map(({ host, score }) => [host, score]));
      const [chosen, ...alternates] = hosts;
      // What was drawn from among the best ones, then the rest in order.
      const drawn = ranked.findIndex(({ score }) => score === scoreOf.get(chosen!));
      assert.ok(drawn < hostSubsetSize, what);
      assert.equal(chosen === undefined, ranked.length === 0, what);
      const others = ranked.filter((_, at) => at !== drawn).map(({ score }) => score);
      const alternateScores = alternates.map((host) => scoreOf.get(host));
      assert.deepEqual(alternateScores, others.slice(0, wanted - 1), what);
      assert.equal(new Set(hosts).size, hosts.length, what);
      if (chosen === undefined) continue;
      plain.place(chosen);
      this.#answered.push({ host: chosen, request, until: this.#now + KEPT_MS });
    }
    const unplaced = answer.selections.filter(({ hosts }) => hosts.length === 0).length;
    assert.equal(answer.hostsConsidered, this.#states.size, what);
    const refused = new Map<string, number>();
    for (const { filter, hosts } of answer.refusals) refused.set(filter, (refused.get(filter) ?? 0) + hosts);
    if (unplaced > 0) assert.deepEqual(refused, plain.refused(), what);
    this.seen.placed += answer.selections.length - unplaced;
    this.seen.refused += unplaced;
    this.seen.several += answer.selections.length > 1 ? 1 : 0;
  }
}
