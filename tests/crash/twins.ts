import { setTimeout as pause } from 'node:timers/promises';
import type { Cloud } from '../support/cloud.ts';
import { domainsOf, RUNNING } from './invariants.ts';

const LOOK_MS = 250;

/**
 * Looks all the time whether a guest runs on two hosts. Files are read one after the other, so that a guest which moves right
 * then is seen twice: it counts when two looks in a row see it.
 */
export class TwinWatch {
  looks = 0;
  readonly #cloud: Cloud;
  readonly #found = new Map<string, string>();
  #last: ReadonlySet<string> = new Set();
  readonly #stopping = new AbortController();
  #done: Promise<void> = Promise.resolve();

  constructor(cloud: Cloud) {
    this.#cloud = cloud;
  }

  start(): void {
    this.#done = this.#run();
    this.#done.catch(() => undefined); // told by stop
  }

  /**
   * @returns guests that ran twice, but for those that were evacuated, or built anew, because an operator declared their host dead: it is
   *   fenced by that word alone
   */
  async stop(): Promise<readonly string[]> {
    this.#stopping.abort();
    await this.#done;
    const fenced = await this.#cloud.database.query<{ uuid: string }>(
      `select instance_uuid as uuid from server_migrations where type = 'evacuation'
       union select instance_uuid from tasks where failure ->> 'forcedDown' = 'true'`,
    );
    for (const { uuid } of fenced) this.#found.delete(uuid);
    return [...this.#found.values()];
  }

  async #run(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      this.#look();
      this.looks += 1;
      await pause(LOOK_MS);
    }
  }

  #look(): void {
    const hosts = new Map<string, string[]>();
    for (const host of this.#cloud.hosts)
      for (const [uuid, { power }] of domainsOf(this.#cloud, host))
        if (power === RUNNING) hosts.set(uuid, [...(hosts.get(uuid) ?? []), host]);
    const twins = new Map([...hosts].filter(([, on]) => on.length > 1));
    for (const [uuid, on] of twins) if (this.#last.has(uuid)) this.#found.set(uuid, `${uuid} runs on ${on.join(' and ')}`);
    this.#last = new Set(twins.keys());
  }
}
