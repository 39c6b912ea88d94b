import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FakeConfig } from '@kilonova/compute';
import type { ConductorConfig, DatabaseConfig, QuotaConfig } from '@kilonova/conductor';
import { InProcessBroker, VirtualClock } from '@kilonova/rpc';
import { type Random, seededRandom, silentLogger } from '@kilonova/runtime';
import type { Template } from '../database/fresh.ts';
import { Observer } from '../database/observer.ts';
import { Turns } from '../database/turns.ts';
import { Quiet } from '../quiet.ts';
import { Trace } from '../trace.ts';
import { Life } from './life.ts';
import { connect, type Fate } from './wire.ts';
import { AgentProcess, ConductorProcess, type Process, SchedulerProcess } from './process.ts';

/** 2026-01-01, when every simulation begins. */
const BEGINNING = Date.UTC(2026, 0, 1);
const TAIL = 400;

export interface WorldOptions {
  readonly seed: number;
  readonly conductors: number;
  readonly schedulers: number;
  readonly hosts: number;
  /** Wall clocks of hosts are off by up to so much. */
  readonly skewMs?: number;
  readonly conductor?: Partial<ConductorConfig>;
  readonly quota?: Partial<QuotaConfig>;
  readonly fake?: Partial<FakeConfig>;
  readonly tell?: (line: string) => void;
}

/** A whole control plane in this process: one clock, one seed, one database, and processes that may die at any step. */
export class World {
  readonly clock: VirtualClock;
  readonly quiet = new Quiet();
  readonly trace: Trace;
  readonly random: Random;
  readonly turns: Turns;
  readonly broker: InProcessBroker;
  readonly observer: Observer;
  readonly databaseConfig: DatabaseConfig;
  readonly folder = mkdtempSync(join(tmpdir(), 'kilonova-simulation-'));
  readonly changes: Pick<WorldOptions, 'conductor' | 'quota' | 'fake'>;
  readonly conductors: readonly ConductorProcess[];
  readonly schedulers: readonly SchedulerProcess[];
  readonly agents: readonly AgentProcess[];
  /** Asked at every step of a process: it may kill it, or say that its connection to the database breaks. */
  onStep: (process: Process, moment: 'before' | 'after', what: string) => 'goes on' | 'breaks' = () => 'goes on';
  /** Asked for every message. */
  fate: () => Fate = () => ({ copies: 1, delayMs: 0 });
  databaseReachable: (process: Process) => boolean = () => true;
  /** Errors that services logged about themselves. */
  readonly complaints: string[] = [];
  readonly #drop: () => Promise<void>;

  private constructor(options: WorldOptions, { config, drop }: Awaited<ReturnType<Template['copy']>>, observer: Observer) {
    this.databaseConfig = config;
    this.#drop = drop;
    this.observer = observer;
    this.random = seededRandom(options.seed);
    this.turns = new Turns({
      random: seededRandom(this.#draw()),
      quiet: this.quiet,
      blocked: (pids) => observer.blocked(pids),
    });
    this.clock = new VirtualClock(BEGINNING, { idle: () => this.turns.idle() });
    this.trace = new Trace(() => this.clock.monotonic(), {
      keep: TAIL,
      hide: this.folder,
      ...(options.tell !== undefined && { tell: options.tell }),
    });
    this.broker = new InProcessBroker({ clock: this.clock, random: seededRandom(this.#draw()), log: silentLogger });
    this.changes = options;
    const named = <P>(what: string, count: number, make: (name: string) => P) =>
      Array.from({ length: count }, (_, at) => make(`${what}-${at + 1}`));
    this.conductors = named('conductor', options.conductors, (name) => new ConductorProcess(this, name));
    this.schedulers = named('scheduler', options.schedulers, (name) => new SchedulerProcess(this, name));
    this.agents = named('host', options.hosts, (name) => {
      const skewMs = options.skewMs ?? 0;
      return new AgentProcess(this, name, Math.round((this.random.next() * 2 - 1) * skewMs));
    });
  }

  static async make(template: Template, options: WorldOptions): Promise<World> {
    const copy = await template.copy();
    return new World(options, copy, await Observer.open(copy.config.url));
  }

  get processes(): readonly Process[] {
    return [...this.conductors, ...this.schedulers, ...this.agents];
  }

  /** Everything is started, in the order of dependence. */
  async start(): Promise<void> {
    for (const process of this.processes) await this.clock.until(process.start());
  }

  life(name: string, skewMs = 0): Life {
    const { clock, quiet, trace } = this;
    return new Life(name, { clock, quiet, trace, seed: this.#draw(), skewMs, onError: (event) => void this.complaints.push(event) });
  }

  /** A step of a process: the moment at which it may die. */
  danger(process: Process, moment: 'before' | 'after', what: string): 'goes on' | 'breaks' {
    return this.onStep(process, moment, what);
  }

  connect(parts: { life: Life; service: string; id: string; user: string; onMessage?: (moment: 'before' | 'after', key: string) => void }) {
    const { broker, quiet, clock } = this;
    const later = (ms: number, act: () => void) => void clock.after(ms, act);
    return connect({ onMessage: () => undefined, ...parts, broker, quiet, later, fate: () => this.fate() });
  }

  /** Ends a process at once; its supervisor starts it again after a while, unless that is null. */
  kill(process: Process, why: string, restartInMs: number | null = 1_000): void {
    if (!process.alive) return;
    this.trace.note('world', `kills ${process.name}: ${why}`);
    process.kill();
    if (restartInMs !== null) this.clock.after(restartInMs, () => void process.start());
  }

  async end(): Promise<void> {
    for (const process of this.processes) process.kill();
    await this.turns.idle().catch(() => undefined);
    await this.observer.end();
    await this.#drop();
    rmSync(this.folder, { recursive: true, force: true });
  }

  #draw(): number {
    return Math.floor(this.random.next() * 2 ** 32);
  }
}
