/**
 * A scheduler counts its own answers until their claims show in the host's state, or until they are too old to be
 * claimed still. That keeps requests that arrive together from all choosing the same host. The conductor's claim decides;
 * a wrong count here costs a retry at worst.
 */
import type { HostState } from '@kilonova/objects';
import type { Clock } from '@kilonova/runtime';
import type { Amount } from './capacity.ts';
import type { HostTable } from './host-table.ts';

interface Answer {
  readonly host: string;
  readonly amount: Amount;
  readonly until: number;
  /** Its claim shows, its time is over, or its host is gone. */
  over: boolean;
}

export class RecentAnswers {
  readonly #byHost = new Map<string, Answer[]>();
  /** Every answer, the oldest first: they are all kept equally long. */
  #inOrder: Answer[] = [];
  /** Before this one all are over. */
  #next = 0;
  readonly #hosts: HostTable;
  readonly #clock: Clock;
  readonly #keepMs: number;

  constructor(hosts: HostTable, clock: Clock, keepMs: number) {
    this.#hosts = hosts;
    this.#clock = clock;
    this.#keepMs = keepMs;
  }

  count(row: number, amount: Amount): void {
    const { host } = this.#hosts.at(row)!;
    const answer: Answer = { host, amount, until: this.#clock.monotonic() + this.#keepMs, over: false };
    this.#hosts.take(row, amount, 1);
    const answers = this.#byHost.get(host);
    if (answers === undefined) this.#byHost.set(host, [answer]);
    else answers.push(answer);
    this.#inOrder.push(answer);
  }

  /** The host's columns were just written anew: as many answers as it gained instances have been claimed. */
  settle(before: HostState | undefined, now: HostState): void {
    const answers = this.#byHost.get(now.host);
    if (answers === undefined) return;
    const gained = before === undefined ? answers.length : Math.max(0, now.instances - before.instances);
    for (const answer of answers.splice(0, gained)) answer.over = true;
    if (answers.length === 0) this.#byHost.delete(now.host);
    const row = this.#hosts.rowOf(now.host)!;
    for (const { amount } of answers) this.#hosts.take(row, amount, 1);
  }

  /** Forgets answers that nobody claimed in time. */
  expire(): void {
    const now = this.#clock.monotonic();
    for (; this.#next < this.#inOrder.length; this.#next += 1) {
      const answer = this.#inOrder[this.#next]!;
      if (!answer.over && answer.until > now) break;
      if (!answer.over) this.#takeBack(answer);
    }
    // Half of the list is over: moving the rest costs no more than that half did.
    if (this.#next === 0 || this.#next * 2 < this.#inOrder.length) return;
    this.#inOrder = this.#inOrder.slice(this.#next);
    this.#next = 0;
  }

  forget(host: string): void {
    for (const answer of this.#byHost.get(host) ?? []) answer.over = true;
    this.#byHost.delete(host);
  }

  #takeBack(answer: Answer): void {
    answer.over = true;
    const row = this.#hosts.rowOf(answer.host);
    if (row !== undefined) this.#hosts.take(row, answer.amount, -1);
    const answers = this.#byHost.get(answer.host)!;
    answers.shift(); // the oldest of all is the oldest of its host
    if (answers.length === 0) this.#byHost.delete(answer.host);
  }
}
