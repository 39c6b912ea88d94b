import { ActOnServer, conductorContract, CreateServers, CreateFlavor, Flavor, ListServices, Scope, ServerRef, type Server } from '@kilonova/objects';
import { createClient } from '@kilonova/rpc';
import type { World } from './world.ts';
import { connect } from './wire.ts';

/** Somebody who asks the conductors directly, as an api would. */
export class User {
  readonly #world: World;
  readonly #conductor;
  readonly life;
  readonly #project: string;

  constructor(world: World, name: string, project: string) {
    this.#world = world;
    this.life = world.life(name);
    this.#project = project;
    const { broker, quiet } = world;
    const transport = connect({ broker, quiet, life: this.life, service: 'api', id: name, user: 'api', onMessage: () => undefined });
    this.#conductor = createClient(transport, conductorContract, { timeoutMs: 5_000 });
  }

  scope(): Scope {
    return Object.assign(new Scope(), {
      ...{ userId: this.life.name, projectId: this.#project, allProjects: true, admin: true },
      requestId: `req-${this.life.random.uuid()}`,
    });
  }

  async makeFlavors(): Promise<void> {
    for (const [flavorId, vcpus, memoryMb, rootGb] of FLAVORS) {
      const flavor = Object.assign(new Flavor(), { flavorId, name: `f${flavorId}`, vcpus, memoryMb, rootGb });
      await this.#conductor.createFlavor(Object.assign(new CreateFlavor(), { scope: this.scope(), flavor }));
    }
  }

  /** Settles when so many hosts take servers. */
  async hostsUp(count: number): Promise<void> {
    for (;;) {
      let up = 0;
      const request = Object.assign(new ListServices(), { scope: this.scope(), binary: 'nova-compute' });
      for await (const piece of this.#conductor.listServices(request)) up += piece.filter((service) => service.up).length;
      if (up >= count) return;
      await this.life.clock.sleep(100);
    }
  }

  async create(key: string, name: string, count: number, flavorId = '1'): Promise<readonly string[]> {
    const request = Object.assign(new CreateServers(), {
      ...{ scope: this.scope(), idempotencyKey: key, bodyHash: key, name, flavorId, minCount: count, maxCount: count },
    });
    return (await this.#conductor.createServers(request)).serverUuids;
  }

  show(uuid: string): Promise<Server> {
    return this.#conductor.getServer(Object.assign(new ServerRef(), { scope: this.scope(), uuid }));
  }

  async act(uuid: string, action: string, options: Record<string, string | null> = {}): Promise<void> {
    await this.#conductor.actOnServer(Object.assign(new ActOnServer(), { scope: this.scope(), uuid, action, options }));
  }

  get world(): World {
    return this.#world;
  }
}

const FLAVORS = [
  ['1', 1, 512, 1],
  ['2', 2, 1_024, 1],
] as const;
