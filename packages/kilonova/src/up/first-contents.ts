import { existsSync, writeFileSync } from 'node:fs';
import {
  ChangeAggregateHost,
  conductorContract,
  CreateAggregate,
  CreateFlavor,
  Flavor,
  ListAggregates,
  ListServices,
  Scope,
  type Aggregate,
  type ErrorCode,
} from '@kilonova/objects';
import { createClient, ServiceError, type Transport } from '@kilonova/rpc';
import type { Surroundings } from '@kilonova/runtime';

/** Nova's traditional five. */
const FLAVORS = [
  { flavorId: '1', name: 'm1.tiny', vcpus: 1, memoryMb: 512, rootGb: 1 },
  { flavorId: '2', name: 'm1.small', vcpus: 1, memoryMb: 2_048, rootGb: 20 },
  { flavorId: '3', name: 'm1.medium', vcpus: 2, memoryMb: 4_096, rootGb: 40 },
  { flavorId: '4', name: 'm1.large', vcpus: 4, memoryMb: 8_192, rootGb: 80 },
  { flavorId: '5', name: 'm1.xlarge', vcpus: 8, memoryMb: 16_384, rootGb: 160 },
];

/** How long a start waits for its hosts to be known to the conductor, and how often it looks. */
const HOSTS_WAIT_MS = 15_000;
const LOOK_MS = 50;

export interface Wanted {
  readonly zones: readonly string[];
  readonly hosts: readonly string[];
  /** A file that exists once the flavors were made: what an administrator removed stays removed. */
  readonly marker: string;
}

/** What a start makes through the conductor, as an administrator would: flavors once, zones as asked for. */
export class FirstContents {
  readonly #conductor;
  readonly #random;
  readonly #clock;

  constructor(transport: Transport, { random, clock }: Pick<Surroundings, 'random' | 'clock'>) {
    this.#conductor = createClient(transport, conductorContract);
    this.#random = random;
    this.#clock = clock;
  }

  async ensure({ zones, hosts, marker }: Wanted): Promise<void> {
    if (!existsSync(marker)) {
      await this.#makeFlavors();
      writeFileSync(marker, '');
    }
    await this.#hostsUp(hosts);
    if (zones.length > 0) await this.#makeZones(zones, hosts);
  }

  async #makeFlavors(): Promise<void> {
    for (const one of FLAVORS) {
      const request = Object.assign(new CreateFlavor(), { scope: this.#scope(), flavor: Object.assign(new Flavor(), one) });
      await unlessThere(() => this.#conductor.createFlavor(request));
    }
  }

  /** Settles when every host takes servers, but for those that an administrator has forced down. */
  async #hostsUp(hosts: readonly string[]): Promise<void> {
    const deadline = this.#clock.monotonic() + HOSTS_WAIT_MS;
    for (;;) {
      const settled = new Set<string>();
      const request = Object.assign(new ListServices(), { scope: this.#scope(), binary: 'nova-compute' });
      for await (const piece of this.#conductor.listServices(request))
        for (const service of piece) if (service.up || service.forcedDown) settled.add(service.host);
      const missing = hosts.filter((host) => !settled.has(host));
      if (missing.length === 0) return;
      if (this.#clock.monotonic() > deadline)
        throw new Error(`hosts that do not register within ${HOSTS_WAIT_MS} ms: ${missing.join(', ')}`);
      await this.#clock.sleep(LOOK_MS);
    }
  }

  /** An aggregate per zone, hosts dealt out in turn; hosts that an administrator has put elsewhere stay there. */
  async #makeZones(zones: readonly string[], hosts: readonly string[]): Promise<void> {
    const existing = new Map<string, Aggregate>();
    for await (const piece of this.#conductor.listAggregates(Object.assign(new ListAggregates(), { scope: this.#scope() })))
      for (const aggregate of piece) existing.set(aggregate.name, aggregate);
    for (const [index, zone] of zones.entries()) {
      const aggregate =
        existing.get(zone) ??
        (await this.#conductor.createAggregate(
          Object.assign(new CreateAggregate(), { scope: this.#scope(), name: zone, availabilityZone: zone }),
        ));
      for (const host of hosts.filter((_, row) => row % zones.length === index && !aggregate.hosts.includes(hosts[row] ?? ''))) {
        const request = Object.assign(new ChangeAggregateHost(), { scope: this.#scope(), id: aggregate.id, host, member: true });
        await unlessThere(() => this.#conductor.changeAggregateHost(request));
      }
    }
  }

  #scope(): Scope {
    return Object.assign(new Scope(), {
      userId: 'kilonova',
      projectId: 'kilonova',
      allProjects: true,
      admin: true,
      requestId: `req-${this.#random.uuid()}`,
    });
  }
}

const CONFLICTS: ReadonlySet<string> = new Set<ErrorCode>(['FlavorExists', 'AggregateHostExists', 'HostInOtherZone', 'HostHasServers']);

/** Conflicts mean that it, or what an administrator put in its place, is there already. */
async function unlessThere(act: () => Promise<unknown>): Promise<void> {
  try {
    await act();
  } catch (error) {
    if (error instanceof ServiceError && CONFLICTS.has(error.code)) return;
    throw error;
  }
}
