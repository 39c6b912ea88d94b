import {
  ActOnServer,
  conductorContract,
  CreateFlavor,
  CreateServers,
  Flavor,
  ListServerMigrations,
  ListServices,
  Scope,
  ServerRef,
  UpdateService,
  type Server,
} from '@kilonova/objects';
import { createClient } from '@kilonova/rpc';
import type { Life } from './life.ts';
import type { World } from './world.ts';

const FLAVORS = [
  { flavorId: '1', vcpus: 1, memoryMb: 512, rootGb: 1 },
  { flavorId: '2', vcpus: 2, memoryMb: 1_024, rootGb: 1 },
] as const;

/** Somebody who asks the conductors directly, as an api would on behalf of its caller. */
export class Client {
  readonly life: Life;
  readonly #conductor;
  readonly #project: string;

  constructor(world: World, name: string, project: string) {
    this.life = world.life(name);
    this.#project = project;
    const transport = world.connect({ life: this.life, service: 'api', id: name, user: 'api' });
    this.#conductor = createClient(transport, conductorContract, { timeoutMs: 5_000 });
  }

  async makeFlavors(): Promise<void> {
    for (const one of FLAVORS) {
      const flavor = Object.assign(new Flavor(), { ...one, name: `flavor ${one.flavorId}` });
      await this.#conductor.createFlavor(Object.assign(new CreateFlavor(), { scope: this.#scope(), flavor }));
    }
  }

  /** Settles when so many hosts take servers. */
  async hostsUp(count: number): Promise<void> {
    for (;;) {
      let up = 0;
      const request = Object.assign(new ListServices(), { scope: this.#scope(), binary: 'nova-compute' });
      for await (const piece of this.#conductor.listServices(request)) up += piece.filter((service) => service.up).length;
      if (up >= count) return;
      await this.life.clock.sleep(100);
    }
  }

  async create(request: {
    readonly key: string;
    readonly name: string;
    readonly count: number;
    readonly flavorId: string;
  }): Promise<readonly string[]> {
    const { key, name, count, flavorId } = request;
    const wanted = Object.assign(new CreateServers(), {
      ...{ scope: this.#scope(), idempotencyKey: key, bodyHash: key, name, flavorId, minCount: count, maxCount: count },
    });
    return (await this.#conductor.createServers(wanted)).serverUuids;
  }

  show(uuid: string): Promise<Server> {
    return this.#conductor.getServer(Object.assign(new ServerRef(), { scope: this.#scope(), uuid }));
  }

  /** The id of the live migration that is under way. */
  async liveMigration(uuid: string): Promise<string> {
    const request = Object.assign(new ListServerMigrations(), { scope: this.#scope(), uuid });
    for await (const piece of this.#conductor.listServerMigrations(request)) for (const { id } of piece) return String(id);
    return '0';
  }

  async act(uuid: string, action: string, options: Record<string, string | null> = {}): Promise<void> {
    await this.#conductor.actOnServer(Object.assign(new ActOnServer(), { scope: this.#scope(), uuid, action, options }));
  }

  async forceDown(host: string, forcedDown: boolean): Promise<void> {
    const changes = { forcedDown };
    await this.#conductor.updateService(
      Object.assign(new UpdateService(), { scope: this.#scope(), host, binary: 'nova-compute', changes }),
    );
  }

  #scope(): Scope {
    return Object.assign(new Scope(), {
      ...{ userId: this.life.name, projectId: this.#project, allProjects: true, admin: true },
      requestId: `req-${this.life.random.uuid()}`,
    });
  }
}
