import { failure, type HostHeartbeat, type Inventory, type ServiceHeartbeat } from '@kilonova/objects';
import type { Context } from '@kilonova/rpc';
import { updateInventory } from '../db/host-registration.ts';
import { noteHosts, noteServices, type ServiceSign } from '../db/liveness.ts';
import { isUnavailable } from '../db/unavailable.ts';
import type { Services } from '../services.ts';
import { assertHostAccount } from './host-account.ts';
import { isHostName } from './host-name.ts';

interface WaitingInventory {
  readonly host: string;
  readonly sequence: number;
  readonly inventory: Inventory;
}

/**
 * Signs of life are collected for a moment and written together: one statement for all hosts, one for all services.
 * Losing some costs nothing, the next ones say the same; so a write that fails is logged and dropped. An inventory is
 * kept until it is written.
 */
export class Heartbeats {
  readonly #services: Services;
  readonly #hosts = new Set<string>();
  readonly #signs = new Map<string, ServiceSign>();
  readonly #inventories = new Map<string, WaitingInventory>();
  #cancel: (() => void) | null = null;
  #writing: Promise<void> | null = null;
  #stopped = false;

  constructor(services: Services) {
    this.#services = services;
  }

  /** @throws NotAuthorized, InvalidInput for what is no host's name: it would spoil the statement of all */
  noteHost(context: Pick<Context, 'caller'>, beat: HostHeartbeat): void {
    const { config, log } = this.#services;
    assertHostAccount(context, beat.host, config.conductor.enforceHostAccounts);
    refuseBadName(beat.host);
    if (!this.#hosts.has(beat.host) && this.#hosts.size >= config.conductor.heartbeatMax) {
      log.warn({ host: beat.host, waiting: this.#hosts.size }, 'heartbeat dropped');
      return;
    }
    this.#hosts.add(beat.host);
    const waiting = this.#inventories.get(beat.host);
    if (beat.inventory !== null && (waiting === undefined || waiting.sequence < beat.sequence))
      this.#inventories.set(beat.host, { host: beat.host, sequence: beat.sequence, inventory: beat.inventory });
    this.#arm();
  }

  /** @throws InvalidInput for what is no name */
  noteService(beat: ServiceHeartbeat): void {
    const { config, log, random } = this.#services;
    refuseBadName(beat.host);
    refuseBadName(beat.binary);
    const key = `${beat.host}\n${beat.binary}`;
    if (!this.#signs.has(key) && this.#signs.size >= config.conductor.heartbeatMax) {
      log.warn({ host: beat.host, binary: beat.binary, waiting: this.#signs.size }, 'heartbeat dropped');
      return;
    }
    this.#signs.set(key, { uuid: random.uuid(), binary: beat.binary, host: beat.host, version: beat.version });
    this.#arm();
  }

  /** Writes what was collected, and takes nothing more. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel?.();
    this.#cancel = null;
    await this.#writing;
    await this.#write();
  }

  #arm(): void {
    if (this.#stopped || this.#cancel !== null || this.#writing !== null) return;
    if (this.#hosts.size + this.#signs.size + this.#inventories.size === 0) return;
    this.#cancel = this.#services.clock.after(this.#services.config.conductor.heartbeatCollectMs, () => {
      this.#cancel = null;
      this.#writing = this.#write().then(() => {
        this.#writing = null;
        this.#arm();
      });
    });
  }

  async #write(): Promise<void> {
    const { knex, log, publisher } = this.#services;
    const hosts = [...this.#hosts];
    const signs = [...this.#signs.values()];
    this.#hosts.clear();
    this.#signs.clear();
    try {
      await noteServices(knex, signs);
      if (hosts.length > 0) {
        const { known, risen } = await noteHosts(knex, hosts);
        publisher.hostsTouched(risen);
        if (known.length < hosts.length) log.warn({ hosts: hosts.length - known.length }, 'heartbeats of hosts that did not register');
      }
      await this.#writeInventories();
    } catch (error) {
      log.warn({ err: error, hosts: hosts.length, services: signs.length }, 'heartbeats not written');
    }
  }

  /** Each host by itself: what one host says of itself must not hold up the others. */
  async #writeInventories(): Promise<void> {
    const { knex, config, publisher, log } = this.#services;
    for (const waiting of this.#inventories.values()) {
      const { host } = waiting;
      try {
        if (await knex.transaction((trx) => updateInventory(trx, waiting, config.conductor))) publisher.hostsTouched([host]);
      } catch (error) {
        if (isUnavailable(error)) throw error;
        log.warn({ error: String(error), host }, 'inventory refused');
      }
      if (this.#inventories.get(host) === waiting) this.#inventories.delete(host);
    }
  }
}

function refuseBadName(name: string): void {
  if (!isHostName(name)) throw failure('InvalidInput', `name ${JSON.stringify(name)}: expected letters, digits, ".", "_" and "-"`);
}
