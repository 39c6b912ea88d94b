import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Inventory, powerState, TransferProgress, type DomainSpec, type PowerState } from '@kilonova/objects';
import type { Clock, Logger, Random } from '@kilonova/runtime';
import { NoSuchDomain, type Bound, type Domain, type Driver, type MigrateOut, type Moves, type Target } from '../driver.ts';
import type { FakeConfig, FakeVerb } from './config.ts';
import { DomainFile, type FakeDomain } from './domain-file.ts';
import { Faults, matchesHost, parseFaults, type FaultRule } from './faults.ts';

/**
 * A hypervisor that only remembers. Domains live in a file in `folder`. Faults come from the config, from
 * `faults.set(…)`, or, while other processes run, from `fake-control.json` in `folder`, which holds rules in the form of
 * the config's `faults` and replaces all others for as long as it exists.
 */
export class FakeDriver implements Driver, Moves {
  readonly name = 'fake';
  readonly faults: Faults;
  readonly #options: {
    readonly host: string;
    readonly folder: string;
    readonly config: FakeConfig;
    readonly clock: Clock;
    readonly random: Random;
    readonly log: Logger;
  };
  readonly #domains: DomainFile;
  readonly #startedAt: number;
  #controlReadAt = -Infinity;
  #control = '';

  constructor(options: { host: string; folder: string; config: FakeConfig; clock: Clock; random: Random; log: Logger }) {
    this.#options = options;
    this.#domains = new DomainFile(options.folder);
    this.#startedAt = options.clock.monotonic();
    this.faults = new Faults(options.host, options.random);
    this.faults.set(options.config.faults);
  }

  inventory(): Promise<Inventory> {
    return this.#verb('inventory', unbound(), () => {
      const { config, host, clock } = this.#options;
      const own = Object.entries(config.capacity).find(([pattern]) => matchesHost(pattern, host))?.[1] ?? {};
      return Object.assign(new Inventory(), {
        vcpus: own.vcpus ?? config.vcpus,
        memoryMb: own.memory_mb ?? config.memoryMb,
        diskGb: own.disk_gb ?? config.diskGb,
        hypervisorType: 'fake',
        hypervisorVersion: 1_000,
        cpuInfo: {
          arch: 'x86_64',
          model: 'Fake',
          vendor: 'Kilonova',
          features: ['pge', 'clflush'],
          topology: { cores: 1, threads: 1, sockets: 4 },
        },
        supportedInstances: [
          ['x86_64', 'fake', 'hvm'],
          ['x86_64', 'qemu', 'hvm'],
          ['x86_64', 'kvm', 'hvm'],
        ],
        hostIp: '127.0.0.1',
        uptimeSeconds: Math.floor((clock.monotonic() - this.#startedAt) / 1_000),
      });
    });
  }

  list(): Promise<readonly Domain[]> {
    return this.#verb('list', unbound(), () => this.#domains.all().map(shownOf));
  }

  ensureRunning(spec: DomainSpec, bound: Bound): Promise<Domain> {
    return this.#verb('spawn', bound, () => {
      const there = this.#domains.get(spec.uuid);
      if (there !== undefined && there.generation > spec.generation) {
        throw new Error(`instance ${spec.uuid} has a domain of generation ${there.generation} here, asked for ${spec.generation}`);
      }
      return this.#put(domainOf(spec, powerState.running));
    });
  }

  ensureStarted(target: Target, bound: Bound): Promise<Domain> {
    return this.#verb('start', bound, () => this.#setPower(target, powerState.running));
  }

  reboot(target: Target, how: Bound): Promise<Domain> {
    return this.#verb('reboot', how, () => this.#setPower(target, powerState.running));
  }

  ensureStopped(target: Target, how: Bound): Promise<Domain> {
    return this.#verb('stop', how, () => this.#setPower(target, powerState.shutdown));
  }

  ensureAbsent({ uuid, generation }: Target, bound: Bound): Promise<void> {
    return this.#verb('remove', bound, () => {
      const there = this.#domains.get(uuid);
      if (there !== undefined && there.generation <= generation) this.#domains.delete(uuid);
    });
  }

  prepareIncoming(spec: DomainSpec, bound: Bound): Promise<{ readonly destination: string }> {
    return this.#verb('prepareIncoming', bound, () => {
      const there = this.#domains.get(spec.uuid);
      if (there !== undefined && there.generation > spec.generation)
        throw new Error(`instance ${spec.uuid} has a domain of generation ${there.generation} here, asked for ${spec.generation}`);
      // What came already is not made undone by saying it twice.
      if (there?.generation !== spec.generation) this.#put(domainOf(spec, powerState.none));
      return { destination: `fake://${this.#options.host}/${spec.uuid}` };
    });
  }

  /** Nothing is sent: the other host makes the domain from what the conductor says. A live one is sent bit by bit all the same. */
  migrateOut(target: Target, { hurry, live, onProgress, ...how }: Bound & MigrateOut): Promise<Domain> {
    const there = this.#domains.get(target.uuid);
    if (there?.generation !== target.generation) return Promise.reject(new NoSuchDomain(target));
    const tell = live ? (share: number) => onProgress(progressOf(there, share)) : undefined;
    const act = () => {
      tell?.(1);
      return this.#setPower(target, powerState.shutdown);
    };
    return this.#verb('migrateOut', live ? { ...how, hurry } : how, act, tell);
  }

  finishIncoming(
    spec: DomainSpec,
    { running, live, sent, ...bound }: Bound & { live: boolean; running: boolean; sent: boolean },
  ): Promise<Domain> {
    return this.#verb('finishIncoming', bound, () => {
      const there = this.#domains.get(spec.uuid);
      const arrived = there !== undefined && there.power !== powerState.none;
      if (there?.generation !== spec.generation || (!sent && !arrived)) throw new NoSuchDomain(spec);
      return this.#put({ ...there, power: running || live ? powerState.running : powerState.shutdown });
    });
  }

  takeBack(spec: DomainSpec, { running, ...bound }: Bound & { running: boolean }): Promise<Domain> {
    return this.#verb('takeBack', bound, () => {
      const there = this.#domains.get(spec.uuid);
      if (there === undefined || there.generation > spec.generation) throw new NoSuchDomain(spec);
      const power = running ? powerState.running : powerState.shutdown;
      return this.#put(domainOf(spec, power));
    });
  }

  async close(): Promise<void> {
    this.#domains.close();
  }

  #put(domain: FakeDomain): Domain {
    return shownOf(this.#domains.put(domain));
  }

  #setPower(target: Target, power: PowerState): Domain {
    const there = this.#domains.get(target.uuid);
    if (there?.generation !== target.generation) throw new NoSuchDomain(target);
    return there.power === power ? shownOf(there) : this.#put({ ...there, power });
  }

  /** Every verb takes its time, meets its faults, and then acts at once. */
  async #verb<T>(
    verb: FakeVerb,
    { signal, hurry }: Bound & { readonly hurry?: AbortSignal },
    act: () => T,
    tell?: (share: number) => void,
  ): Promise<T> {
    const { config } = this.#options;
    this.#readControl();
    const fault = this.faults.strike(verb);
    const pauseMs = (config.latencyMs[verb] ?? 0) + (fault?.effect === 'delay' ? (fault.ms ?? 0) : 0);
    tell?.(0);
    if (pauseMs > 0) await this.#pause(pauseMs, signal, hurry, tell);
    if (fault?.effect === 'hang') await Promise.race([abortOf(signal), ...(hurry === undefined ? [] : [endOf(hurry)])]);
    if (fault?.effect === 'wedge') await new Promise(() => undefined);
    if (fault?.effect === 'fail') throw new Error(messageOf(fault, verb));
    signal.throwIfAborted();
    const result = act();
    if (fault?.effect === 'fail-after') throw new Error(messageOf(fault, verb));
    return result;
  }

  /** Until it is over, or may be cut short; on the way it tells how much of it is over. */
  async #pause(ms: number, signal: AbortSignal, hurry: AbortSignal | undefined, tell?: (share: number) => void): Promise<void> {
    const { clock, config } = this.#options;
    if (tell === undefined) return pause(clock, ms, signal, hurry);
    const steps = Math.max(1, Math.ceil(ms / config.progressMs));
    for (let step = 1; step <= steps && hurry?.aborted !== true; step += 1) {
      await pause(clock, ms / steps, signal, hurry);
      tell(step / steps);
    }
  }

  #readControl(): void {
    const { clock, config, folder, log } = this.#options;
    if (clock.monotonic() - this.#controlReadAt < config.controlPollMs) return;
    this.#controlReadAt = clock.monotonic();
    const path = join(folder, 'fake-control.json');
    let content = '';
    try {
      content = readFileSync(path, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
    if (content === this.#control) return;
    this.#control = content;
    try {
      this.faults.set(content === '' ? config.faults : parseFaults(JSON.parse(content) as object));
    } catch (error) {
      log.warn({ path, reason: (error as Error).message }, 'fault rules not understood, the former stay');
    }
  }
}

const shownOf = ({ uuid, generation, power }: FakeDomain): Domain => ({ uuid, generation, power });

const MIB = 1_048_576;

const domainOf = ({ uuid, generation, memoryMb, disks }: DomainSpec, power: PowerState): FakeDomain => ({
  ...{ uuid, generation, power, memoryMb, diskMb: disks.reduce((sum, { sizeMb }) => sum + sizeMb, 0) },
});

/** Of a fake guest, of which the given share is over there. */
function progressOf({ memoryMb = 0, diskMb = 0 }: FakeDomain, share: number): TransferProgress {
  const [memory, disk] = [memoryMb * MIB, diskMb * MIB];
  const [memoryOver, diskOver] = [Math.round(memory * share), Math.round(disk * share)];
  return Object.assign(new TransferProgress(), {
    ...{ memoryTotalBytes: memory, memoryProcessedBytes: memoryOver, memoryRemainingBytes: memory - memoryOver },
    ...{ diskTotalBytes: disk, diskProcessedBytes: diskOver, diskRemainingBytes: disk - diskOver },
  });
}

/** One for each use: a signal that lives long collects those who wait for it. */
const unbound = (): Bound => ({ signal: new AbortController().signal });

const messageOf = (fault: FaultRule, verb: string) => fault.message ?? `fault injected into ${verb}`;

/** Until it is over, or may be cut short. */
async function pause(clock: Clock, ms: number, signal: AbortSignal, hurry: AbortSignal | undefined): Promise<void> {
  if (hurry === undefined) return clock.sleep(ms, signal);
  if (hurry.aborted) return;
  const both = AbortSignal.any([signal, hurry]);
  await clock.sleep(ms, both).catch((error: unknown) => {
    if (signal.aborted) throw error;
  });
}

const endOf = (signal: AbortSignal) =>
  new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });

const abortOf = (signal: AbortSignal) =>
  new Promise<never>((_resolve, reject) => {
    const end = () => reject(signal.reason as Error);
    if (signal.aborted) end();
    else signal.addEventListener('abort', end, { once: true });
  });
