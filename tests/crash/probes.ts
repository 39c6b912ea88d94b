import { setTimeout as pause } from 'node:timers/promises';
import type { Cloud } from '../support/cloud.ts';
import { ComputeClient } from '../support/compute-client.ts';

interface Sample {
  readonly probe: string;
  readonly beganAt: number;
  readonly endedAt: number;
  readonly good: boolean;
}

/** A good answer does not take longer. */
export const LATE_MS = 1_000;
const EVERY_MS = 50;

/** Reads and writes one after the other at each api, and does not retry: what a user notices. */
export class Probes {
  readonly #cloud: Cloud;
  readonly #serverId: string;
  readonly #samples: Sample[] = [];
  readonly #stopping = new AbortController();
  #done: Promise<unknown> = Promise.resolve();

  constructor(cloud: Cloud, serverId: string) {
    this.#cloud = cloud;
    this.#serverId = serverId;
  }

  start(): void {
    const { computeUrls, admin } = this.#cloud;
    const path = `/servers/${this.#serverId}`;
    const probes = computeUrls.flatMap((url, index) => {
      const client = new ComputeClient(admin, url);
      const write = (turn: number) =>
        client.request('PUT', `${path}/metadata/probe-${index}`, { body: { meta: { [`probe-${index}`]: String(turn) } } });
      return [this.#run(`api-${index + 1} read`, () => client.request('GET', path)), this.#run(`api-${index + 1} write`, write)];
    });
    this.#done = Promise.all(probes);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#done;
  }

  async #run(probe: string, ask: (turn: number) => Promise<{ readonly status: number }>): Promise<void> {
    for (let turn = 0; !this.#stopping.signal.aborted; turn += 1) {
      const beganAt = Date.now();
      const answered = await ask(turn).then(
        ({ status }) => status === 200,
        () => false,
      );
      const endedAt = Date.now();
      this.#samples.push({ probe, beganAt, endedAt, good: answered && endedAt - beganAt <= LATE_MS });
      await pause(EVERY_MS);
    }
  }

  /** Whether each probe had only good answers for so long. */
  calmFor(ms: number): boolean {
    const since = Date.now() - ms;
    const probes = new Set(this.#samples.map(({ probe }) => probe));
    return [...probes].every((probe) => {
      const own = this.#samples.filter((sample) => sample.probe === probe && sample.endedAt >= since);
      return own.length > 0 && own.every(({ good }) => good);
    });
  }

  /** From the first bad answer until the last one of any probe; 0 when there was none. */
  downtimeMs(from: number, to: number): number {
    const bad = this.#samples.filter(({ good, beganAt, endedAt }) => !good && endedAt >= from && beganAt <= to);
    if (bad.length === 0) return 0;
    return Math.max(...bad.map(({ endedAt }) => endedAt)) - Math.max(from, Math.min(...bad.map(({ beganAt }) => beganAt)));
  }

  /** The longest time in which nobody got a good answer to a read or a write from any api. */
  blackoutMs(from: number, to: number): number {
    const good = this.#samples
      .filter((sample) => sample.good && sample.endedAt >= from && sample.endedAt <= to)
      .map(({ endedAt }) => endedAt)
      .toSorted((a, b) => a - b);
    let longest = 0;
    let last = from;
    for (const at of [...good, to]) {
      longest = Math.max(longest, at - last);
      last = at;
    }
    return longest;
  }
}
