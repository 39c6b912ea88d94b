import { HostChange, HostState, type HostRequest } from '@kilonova/objects';
import type { Snapshot } from '@kilonova/scheduler';

interface Claim {
  readonly host: string;
  readonly flavor: HostRequest['flavor'];
}

/**
 * The conductor's part: each placement becomes the host's next absolute state, and a scheduler is told of it. Above so
 * many claims the oldest is released, so that the cloud stays as full as it is.
 */
export class Claims {
  readonly #snapshot: Snapshot;
  readonly #most: number;
  readonly #live: Claim[] = [];
  #oldest = 0;
  #sequence = 0;

  constructor(snapshot: Snapshot, most: number) {
    this.#snapshot = snapshot;
    this.#most = most;
  }

  claim(host: string, { flavor }: HostRequest): void {
    this.#change({ host, flavor }, 1);
    const claim = { host, flavor };
    if (this.#live.length < this.#most) {
      this.#live.push(claim);
      return;
    }
    const released = this.#live[this.#oldest]!;
    this.#live[this.#oldest] = claim;
    this.#oldest = (this.#oldest + 1) % this.#most;
    this.#change(released, -1);
  }

  #change({ host, flavor }: Claim, times: 1 | -1): void {
    const { hosts } = this.#snapshot;
    const before = hosts.at(hosts.rowOf(host)!)!;
    const now = Object.assign(new HostState(), before, {
      revision: before.revision + 1,
      vcpusUsed: before.vcpusUsed + times * flavor.vcpus,
      memoryMbUsed: before.memoryMbUsed + times * flavor.memoryMb,
      diskGbUsed: before.diskGbUsed + times * flavor.rootGb,
      instances: before.instances + times,
    });
    this.#sequence += 1;
    this.#snapshot.note(Object.assign(new HostChange(), { publisher: 'bench', sequence: this.#sequence, hosts: [now] }));
  }
}
