import { HostHeartbeat, HostRegistration, version, type hostReportsContract, type Inventory } from '@kilonova/objects';
import type { Client } from '@kilonova/rpc';
import type { Clock, Logger, Random } from '@kilonova/runtime';
import type { ComputeOptions } from '../config.ts';
import type { Driver } from '../driver/driver.ts';
import { aboutMs, Alarm, backoffMs } from './alarm.ts';

export interface PresenceParts {
  readonly host: string;
  /** This process, among all that ever spoke for the host. */
  readonly agent: string;
  readonly config: ComputeOptions;
  readonly client: Client<typeof hostReportsContract>;
  readonly driver: Driver;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** After every registration that was answered. */
  readonly onRegistered: () => void;
  /** At every heartbeat. */
  readonly onHeartbeat: () => void;
}

/** Registers the host at start and after every reconnect, until it is answered; then shows that it lives. */
export class Presence {
  readonly #parts: PresenceParts;
  readonly #alarm: Alarm;
  readonly #closed = new AbortController();
  #loop: Promise<void> | undefined;
  #inventory: Inventory | undefined;
  #inventoryTrouble: string | undefined = 'not asked yet';
  #reading: Promise<void> | undefined;
  #told = '';
  #sequence = 0;
  /** Counts reconnects, so that one during a registration is not taken for settled by its answer. */
  #wanted = 1;
  #registered = 0;
  /** Whether the next registration is one that an operator has not read of. */
  #isNews = true;
  #registrationTrouble: string | undefined = 'not tried yet';
  #again: { readonly wanted: number; readonly settle: () => void } | undefined;

  constructor(parts: PresenceParts) {
    this.#parts = parts;
    this.#alarm = new Alarm(parts.clock);
  }

  /** Why the conductor does not know of this host; undefined when it does. */
  get registrationTrouble(): string | undefined {
    return this.#registered === this.#wanted ? undefined : (this.#registrationTrouble ?? 'not registered since the broker came back');
  }

  /** Why the hypervisor's inventory is not known; undefined when it is. */
  get driverTrouble(): string | undefined {
    return this.#inventoryTrouble;
  }

  start(): void {
    this.#loop = this.#run();
  }

  /** The broker is there again: the conductor may have forgotten or missed this host. */
  reconnected(): void {
    this.#isNews = true;
    this.sayAgain();
  }

  /** What a registration says is told in another form from now on. */
  sayAgain(): void {
    this.#wanted += 1;
    this.#alarm.ring();
  }

  /** Settles when a registration that was sent from now on was answered, or at the stop. Asked for by one at a time. */
  async registerAgain(): Promise<void> {
    if (this.#alarm.closed) return;
    this.reconnected();
    await new Promise<void>((settle) => (this.#again = { wanted: this.#wanted, settle }));
  }

  async stop(): Promise<void> {
    this.#closed.abort(new Error('the agent stops'));
    this.#alarm.close();
    this.#again?.settle();
    await this.#loop;
  }

  async #run(): Promise<void> {
    const { config, random, log, onHeartbeat } = this.#parts;
    let failures = 0;
    while (!this.#alarm.closed) {
      if (this.#registered !== this.#wanted) {
        const trouble = await this.#register();
        if (trouble === undefined || this.#alarm.closed) {
          failures = 0;
          continue;
        }
        failures += 1;
        if (trouble !== this.#registrationTrouble) log.warn({ reason: trouble }, 'host not registered, tried again');
        this.#registrationTrouble = trouble;
        await this.#alarm.wait(Math.max(1, backoffMs(config, failures, random)));
        continue;
      }
      await this.#alarm.wait(aboutMs(config.heartbeatMs, random));
      if (this.#alarm.closed || this.#registered !== this.#wanted) continue;
      onHeartbeat();
      // Not waited for: a hypervisor that hangs must not make the host look dead. News goes with the next heartbeat.
      void this.#readInventory();
      await this.#beat();
    }
  }

  /** Why it did not work. */
  async #register(): Promise<string | undefined> {
    const { host, agent, config, client, driver, log, onRegistered } = this.#parts;
    const wanted = this.#wanted;
    await this.#readInventory();
    const inventory = this.#inventory;
    if (inventory === undefined) return this.#inventoryTrouble ?? 'the inventory is not known';
    const registration = Object.assign(new HostRegistration(), {
      host,
      node: host,
      cell: config.cell,
      version,
      driver: driver.name,
      inventory,
      agent,
    });
    try {
      await client.register(registration, { timeoutMs: config.callTimeoutMs, signal: this.#closed.signal });
    } catch (error) {
      return (error as Error).message;
    }
    this.#registered = wanted;
    this.#registrationTrouble = undefined;
    this.#told = fingerprint(inventory);
    log[this.#isNews ? 'info' : 'debug']({ driver: driver.name, version }, 'host registered');
    this.#isNews = false;
    onRegistered();
    if (this.#again !== undefined && wanted >= this.#again.wanted) this.#again.settle();
    return undefined;
  }

  async #beat(): Promise<void> {
    const { host, client, config, log } = this.#parts;
    const inventory = this.#inventory;
    const changed = inventory !== undefined && fingerprint(inventory) !== this.#told ? inventory : null;
    const heartbeat = Object.assign(new HostHeartbeat(), { host, sequence: ++this.#sequence, inventory: changed });
    try {
      await client.heartbeat(heartbeat, { timeoutMs: config.callTimeoutMs, signal: this.#closed.signal });
      if (changed !== null) this.#told = fingerprint(changed);
    } catch (error) {
      log.debug({ sequence: this.#sequence, reason: (error as Error).message }, 'heartbeat not sent');
    }
  }

  /** Reads at most once at a time; gives up waiting after `driverWaitMs`, not reading. */
  async #readInventory(): Promise<void> {
    const { driver, clock, config } = this.#parts;
    this.#reading ??= driver
      .inventory()
      .then(
        (inventory) => {
          this.#inventory = inventory;
          this.#inventoryTrouble = undefined;
        },
        (error: unknown) => {
          this.#inventoryTrouble = (error as Error).message;
        },
      )
      .finally(() => (this.#reading = undefined));
    const signal = this.#closed.signal;
    const ends: (() => void)[] = [];
    const given = new Promise<void>((resolve) => {
      const onAbort = () => resolve();
      signal.addEventListener('abort', onAbort, { once: true });
      ends.push(
        () => signal.removeEventListener('abort', onAbort),
        clock.after(config.driverWaitMs, () => {
          this.#inventoryTrouble = `the hypervisor did not tell its inventory within ${config.driverWaitMs} ms`;
          resolve();
        }),
      );
      if (signal.aborted) resolve();
    });
    await Promise.race([this.#reading, given]);
    for (const end of ends) end();
  }
}

/** What counts as a change: all but the uptime. */
const fingerprint = (inventory: Inventory): string => JSON.stringify({ ...inventory, uptimeSeconds: null });
