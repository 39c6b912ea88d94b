/**
 * Keeps the snapshot current. Start: subscribe and buffer, read everything in pieces, then apply what was buffered. A host's
 * absolute state comes with a revision, the newer one wins, so order and repeats do not matter. A gap in a publisher's
 * numbers, a reconnect or a digest that differs reloads. A revision starts anew when its host is deleted and registers again,
 * and goes back when the database is restored: a load therefore replaces what was here before it, whatever the revisions.
 */
import { ListHostStates, type conductorContract, type HostChange, type HostDigest, type HostState } from '@kilonova/objects';
import { Empty, type Client } from '@kilonova/rpc';
import type { Clock, Logger } from '@kilonova/runtime';
import { HostTable } from './host-table.ts';
import { RecentAnswers } from './recent-answers.ts';

/** Publishers are conductors; those not heard of for long are forgotten beyond this many. */
const MAX_PUBLISHERS = 1_000;

export interface SnapshotOptions {
  readonly maxKeptSets: number;
  readonly answerKeptMs: number;
  readonly reloadRetryMs: number;
}

export class Snapshot {
  readonly hosts: HostTable;
  readonly answers: RecentAnswers;
  readonly #conductor: Client<typeof conductorContract>;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #options: SnapshotOptions;
  readonly #lastOf = new Map<string, number>();
  readonly #stopping = new AbortController();
  #loaded = false;
  #reload: Promise<void> | undefined;
  #again = false;
  /** What was told of hosts since the load under way began. */
  #told: Map<string, HostState> | undefined;
  reloads = 0;

  constructor(conductor: Client<typeof conductorContract>, clock: Clock, log: Logger, options: SnapshotOptions) {
    this.#conductor = conductor;
    this.#clock = clock;
    this.#log = log;
    this.#options = options;
    this.hosts = new HostTable(options.maxKeptSets);
    this.answers = new RecentAnswers(this.hosts, clock, options.answerKeptMs);
  }

  /** False until the first load ended. */
  get ready(): boolean {
    return this.#loaded;
  }

  stop(): void {
    this.#stopping.abort();
  }

  note(change: HostChange): void {
    const last = this.#lastOf.get(change.publisher);
    if (last !== undefined && change.sequence <= last)
      this.#log.debug({ publisher: change.publisher, sequence: change.sequence }, 'old news');
    if (last !== undefined && change.sequence > last + 1) this.reload(`missed news of ${change.publisher}`);
    this.#lastOf.delete(change.publisher);
    this.#lastOf.set(change.publisher, Math.max(last ?? 0, change.sequence));
    if (this.#lastOf.size > MAX_PUBLISHERS) this.#lastOf.delete(this.#lastOf.keys().next().value!);
    for (const host of change.hosts) {
      this.#told?.set(host.host, newerOf(host, this.#told.get(host.host)));
      this.#put(host);
    }
    for (const host of change.removedHosts) {
      this.#told?.delete(host);
      this.#remove(host);
    }
  }

  /** Compares with the conductor; two differing digests in a row reload, as one may be a moment old. */
  async compare(): Promise<boolean> {
    const digest: HostDigest = await this.#conductor.getHostDigest(new Empty());
    return digest.hosts === this.hosts.size && digest.revisions === this.hosts.revisions();
  }

  /** Reads every host anew until that worked. Asked for while one runs, it runs once more. */
  reload(reason: string): void {
    if (this.#reload !== undefined) {
      this.#again = true;
      return;
    }
    this.#log.info({ reason }, 'loading hosts');
    this.#reload = this.#loadUntilDone().finally(() => {
      this.#reload = undefined;
      if (this.#again && !this.#stopping.signal.aborted) {
        this.#again = false;
        this.reload('asked for again while loading');
      }
    });
  }

  async #loadUntilDone(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      try {
        await this.#load();
        return;
      } catch (error) {
        this.#log.warn({ reason: (error as Error).message }, 'hosts could not be loaded');
        await this.#clock.sleep(this.#options.reloadRetryMs, this.#stopping.signal).catch(() => undefined);
      }
    }
  }

  /**
   * The rows are read after the load began, so that all that was known before is older than they are. Of a row and of news
   * that came meanwhile the higher revision is taken; should that be of a host's former life, the next digest differs.
   */
  async #load(): Promise<void> {
    const told = new Map<string, HostState>();
    const seen = new Set<string>();
    const known = new Set(this.hosts.names());
    this.#told = told;
    try {
      for await (const piece of this.#conductor.listHostStates(new ListHostStates())) {
        for (const host of piece) {
          seen.add(host.host);
          this.#replace(newerOf(host, told.get(host.host)));
        }
      }
    } finally {
      this.#told = undefined;
    }
    // A host that came as news while this was read, new or once more, stays.
    for (const host of known) if (!seen.has(host)) this.#replaceOrRemove(host, told.get(host));
    this.#loaded = true;
    this.reloads += 1;
    this.#log.info({ hosts: this.hosts.size }, 'hosts loaded');
  }

  #put(host: HostState): void {
    const before = this.hosts.put(host);
    if (before !== false) this.answers.settle(before, host);
  }

  #replace(host: HostState): void {
    this.answers.settle(this.hosts.replace(host), host);
  }

  #replaceOrRemove(name: string, host: HostState | undefined): void {
    if (host === undefined) this.#remove(name);
    else this.#replace(host);
  }

  #remove(host: string): void {
    this.hosts.remove(host);
    this.answers.forget(host);
  }
}

const newerOf = (host: HostState, other: HostState | undefined): HostState =>
  other !== undefined && other.revision > host.revision ? other : host;
