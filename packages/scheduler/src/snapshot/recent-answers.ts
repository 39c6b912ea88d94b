/**
 * A scheduler counts its own answers until their claims show in the host's state, or until they are too old to be
 * claimed still. That keeps requests that arrive together from all choosing the same host. The conductor's claim decides;
 * a wrong count here costs a retry at worst.
 */
import type { HostState } from '@kilonova/objects';
import type { Clock } from '@kilonova/runtime';
import type { Amount, HostTable } from './host-table.ts';

interface Answer {
  readonly amount: Amount;
  readonly until: number;
}

export class RecentAnswers {
  readonly #byHost = new Map<string, Answer[]>();
  readonly #hosts: HostTable;
  readonly #clock: Clock;
  readonly #keepMs: number;

  constructor(hosts: HostTable, clock: Clock, keepMs: number) {
    this.#hosts = hosts;
    this.#clock = clock;
    this.#keepMs = keepMs;
  }

  count(host: string, amount: Amount): void {
    const row = this.#hosts.rowOf(host);
    if (row === undefined) return;
    this.#hosts.take(row, amount, 1);
    const answers = this.#byHost.get(host) ?? [];
    answers.push({ amount, until: this.#clock.monotonic() + this.#keepMs });
    this.#byHost.set(host, answers);
  }

  /** The host's columns were just written anew: as many answers as it gained instances have been claimed. */
  settle(before: HostState | undefined, now: HostState): void {
    const answers = this.#byHost.get(now.host);
    if (answers === undefined) return;
    const gained = before === undefined ? answers.length : Math.max(0, now.instances - before.instances);
    this.#keep(now.host, answers.slice(gained));
    const row = this.#hosts.rowOf(now.host)!;
    for (const { amount } of this.#byHost.get(now.host) ?? []) this.#hosts.take(row, amount, 1);
  }

  /** Forgets answers that nobody claimed in time. */
  expire(): void {
    const now = this.#clock.monotonic();
    for (const [host, answers] of this.#byHost) {
      const row = this.#hosts.rowOf(host);
      const alive = answers.filter((answer) => answer.until > now);
      if (alive.length === answers.length) continue;
      if (row !== undefined) for (const { amount, until } of answers) if (until <= now) this.#hosts.take(row, amount, -1);
      this.#keep(host, alive);
    }
  }

  forget(host: string): void {
    this.#byHost.delete(host);
  }

  #keep(host: string, answers: Answer[]): void {
    if (answers.length === 0) this.#byHost.delete(host);
    else this.#byHost.set(host, answers);
  }
}
