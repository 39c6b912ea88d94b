import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { computeSection, type Domain, fakeSection, startCompute } from '@kilonova/compute';
import { conductorSection, openDatabase, quotaSection, startConductor, type ConductorConfig } from '@kilonova/conductor';
import type { InProcessConnection } from '@kilonova/rpc';
import { defaultsOf } from '@kilonova/runtime';
import { schedulerSection, startScheduler } from '@kilonova/scheduler';
import { Connections } from '../database/connections.ts';
import { Disk } from './journal.ts';
import type { Life } from './life.ts';
import type { World } from './world.ts';

/** As faults are counted. */
type Role = 'crash of a conductor' | 'crash of a scheduler' | 'crash of an agent';

/** A place where a process of the control plane runs, dies, and is started again. */
export abstract class Process {
  readonly name: string;
  life: Life | undefined;
  transport: InProcessConnection | undefined;
  /** Starts so far. */
  starts = 0;
  protected readonly world: World;

  constructor(world: World, name: string) {
    this.world = world;
    this.name = name;
  }

  get alive(): boolean {
    return this.life?.alive === true;
  }

  /** Settles when the service says that it runs, or never when it dies before. */
  start(): Promise<void> {
    this.starts += 1;
    const life = this.world.life(`${this.name}#${this.starts}`, this.skewMs);
    this.life = life;
    life.note('starts');
    return this.run(life).catch((error: unknown) => {
      if (!life.alive) return new Promise(() => undefined);
      // As a process that gives up: whoever supervises it starts it again.
      life.note(`gave up: ${(error as Error).message}`);
      this.world.kill(this, `gave up: ${(error as Error).message}`);
      return undefined;
    });
  }

  /** Ends at once: nothing is said, nothing is finished. */
  kill(): void {
    const { life } = this;
    if (life?.alive !== true) return;
    life.note('dies');
    life.die();
    this.transport?.cut('the process died');
    this.leave();
  }

  abstract readonly role: Role;
  protected readonly skewMs: number = 0;
  protected abstract run(life: Life): Promise<void>;
  /** What the machine does when it is gone. */
  protected leave(): void {}

  protected connect(life: Life, service: string, id: string, user = service): InProcessConnection {
    const onMessage = (moment: 'before' | 'after', what: string) => void this.world.danger(this, moment, what);
    this.transport = this.world.connect({ life, service, id, user, onMessage });
    return this.transport;
  }
}

/** Deadlines short enough that a simulation sees them pass; looks so seldom that they are not most of what happens. */
const TIMES: Partial<ConductorConfig> = {
  ...{ lookMs: 2_000, adoptMs: 2_000, cleanupLookMs: 2_000 },
  ...{ createDeadlineMs: 60_000, buildDeadlineMs: 60_000, deleteDeadlineMs: 40_000, powerDeadlineMs: 60_000 },
  ...{ moveDeadlineMs: 240_000, moveStepDeadlineMs: 40_000, transferDeadlineMs: 60_000, shutdownGraceMs: 5_000 },
};

export class ConductorProcess extends Process {
  readonly role = 'crash of a conductor';
  #connections: Connections | undefined;

  protected async run(life: Life): Promise<void> {
    const { turns, observer, databaseConfig: config } = this.world;
    const connections = new Connections({
      ...{ life, turns, observer, config },
      now: () => new Date(this.world.clock.now()).toISOString(),
      onStatement: (moment, text) => this.world.danger(this, moment, text),
      reachable: () => this.world.databaseReachable(this),
    });
    this.#connections = connections;
    await startConductor({
      ...life.surroundings,
      transport: this.connect(life, 'conductor', `${this.name}-${this.starts}`),
      database: openDatabase(config, connections),
      config: {
        database: config,
        conductor: defaultsOf(conductorSection, { host: this.name, ...TIMES, ...this.world.changes.conductor }),
        quota: defaultsOf(quotaSection, this.world.changes.quota),
      },
    });
  }

  protected override leave(): void {
    const connections = this.#connections;
    if (connections !== undefined) void this.world.turns.hold(connections.end());
  }
}

export class SchedulerProcess extends Process {
  readonly role = 'crash of a scheduler';
  protected async run(life: Life): Promise<void> {
    await startScheduler({
      ...life.surroundings,
      transport: this.connect(life, 'scheduler', `${this.name}-${this.starts}`),
      host: this.name,
      config: { scheduler: defaultsOf(schedulerSection) },
    });
  }
}

/** An agent and its hypervisor: domains and journal outlive the process. */
export class AgentProcess extends Process {
  readonly role = 'crash of an agent';
  readonly #disk = new Disk();
  protected override readonly skewMs: number;
  #calm = false;

  constructor(world: World, name: string, skewMs: number) {
    super(world, name);
    this.skewMs = skewMs;
  }

  get folder(): string {
    return join(this.world.folder, this.name);
  }

  /** From now on the hypervisor does what it is told. */
  calm(): void {
    this.#calm = true;
    if (existsSync(this.folder)) writeFileSync(join(this.folder, 'fake-control.json'), '{}');
  }

  /** Every guest stops with its machine. */
  powerOff(): void {
    const stopped = this.domains().map((domain) => ({ ...domain, power: domain.power === 1 ? 4 : domain.power }));
    writeFileSync(join(this.folder, 'fake-domains.jsonl'), stopped.map((domain) => `${JSON.stringify(domain)}\n`).join(''));
  }

  domains(): readonly Domain[] {
    const domains = new Map<string, Domain>();
    const path = join(this.folder, 'fake-domains.jsonl');
    for (const line of existsSync(path) ? readFileSync(path, 'utf8').split('\n') : []) {
      if (line === '') continue;
      const domain = JSON.parse(line) as Domain | { readonly uuid: string };
      if ('power' in domain) domains.set(domain.uuid, domain);
      else domains.delete(domain.uuid);
    }
    return [...domains.values()];
  }

  protected async run(life: Life): Promise<void> {
    const fake = defaultsOf(fakeSection, { ...this.world.changes.fake, ...(this.#calm && { faults: {} }) });
    await startCompute({
      ...life.surroundings,
      transport: this.connect(life, 'compute', this.name, `compute.${this.name}`),
      config: { compute: defaultsOf(computeSection, { domainReportMs: 15_000 }), fake },
      host: this.name,
      stateDir: this.folder,
      storage: this.#disk.storageOf(life, (moment, what) => void this.world.danger(this, moment, what)),
    });
  }

  protected override leave(): void {
    this.#disk.tear(this.world.random);
    // A process that is gone holds no lock; this one is of the same machine.
    rmSync(join(this.folder, 'lock'), { force: true });
  }
}
