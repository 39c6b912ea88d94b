import { ChangeAggregateHost, conductorContract, CreateAggregate, CreateFlavor, Flavor, ListAggregates, Scope, type ErrorCode } from '@kilonova/objects';
import { createClient, ServiceError, type Transport } from '@kilonova/rpc';
import type { Random } from '@kilonova/runtime';

/** Nova's traditional five. */
const FLAVORS = [
  { flavorId: '1', name: 'm1.tiny', vcpus: 1, memoryMb: 512, rootGb: 1 },
  { flavorId: '2', name: 'm1.small', vcpus: 1, memoryMb: 2_048, rootGb: 20 },
  { flavorId: '3', name: 'm1.medium', vcpus: 2, memoryMb: 4_096, rootGb: 40 },
  { flavorId: '4', name: 'm1.large', vcpus: 4, memoryMb: 8_192, rootGb: 80 },
  { flavorId: '5', name: 'm1.xlarge', vcpus: 8, memoryMb: 16_384, rootGb: 160 },
];

/** What a first start makes through the conductor, as an administrator would. A later start changes nothing. */
export class Seeds {
  readonly #conductor;
  readonly #random;

  constructor(transport: Transport, random: Random) {
    this.#conductor = createClient(transport, conductorContract);
    this.#random = random;
  }

  async flavors(): Promise<void> {
    for (const one of FLAVORS) {
      const request = Object.assign(new CreateFlavor(), { scope: this.#scope(), flavor: Object.assign(new Flavor(), one) });
      await unlessThere(() => this.#conductor.createFlavor(request));
    }
  }

  /** An aggregate per zone, hosts dealt out in turn; hosts that an administrator has put elsewhere stay there. */
  async zones(zones: readonly string[], hosts: readonly string[]): Promise<void> {
    const existing = new Map<string, { id: number; hosts: readonly string[] }>();
    for await (const piece of this.#conductor.listAggregates(Object.assign(new ListAggregates(), { scope: this.#scope() })))
      for (const aggregate of piece) existing.set(aggregate.name, aggregate);
    for (const [index, zone] of zones.entries()) {
      const aggregate =
        existing.get(zone) ??
        (await this.#conductor.createAggregate(Object.assign(new CreateAggregate(), { scope: this.#scope(), name: zone, availabilityZone: zone })));
      for (const host of hosts.filter((_, row) => row % zones.length === index)) {
        if (aggregate.hosts.includes(host)) continue;
        const request = Object.assign(new ChangeAggregateHost(), { scope: this.#scope(), id: aggregate.id, host, member: true });
        await unlessThere(() => this.#conductor.changeAggregateHost(request));
      }
    }
  }

  #scope(): Scope {
    return Object.assign(new Scope(), { userId: 'kilonova', projectId: 'kilonova', allProjects: true, admin: true, requestId: `req-${this.#random.uuid()}` });
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
