import { Client } from '../world/client.ts';
import type { Life } from '../world/life.ts';
import type { AgentProcess, ConductorProcess, Process } from '../world/process.ts';
import type { World } from '../world/world.ts';
import type { Profile } from './profile.ts';

export type FaultKind =
  | 'lost'
  | 'doubled'
  | 'delayed'
  | 'crash of a conductor'
  | 'crash of a scheduler'
  | 'crash of an agent'
  | 'broken connection'
  | 'partition'
  | 'pause'
  | 'database outage'
  | 'lost host'
  | 'evacuation';

/** A machine that lost its power comes back after so long. */
const POWER_OFF_MS = { least: 30_000, most: 90_000 };
const RESTART_MS = { least: 50, most: 15_000 };
const PARTITION_MS = { least: 200, most: 30_000 };
/** Up to several times a conductor's lease. */
const PAUSE_MS = { least: 500, most: 40_000 };
const OUTAGE_MS = { least: 200, most: 15_000 };

/** A conductor takes many times the steps of the others. */
const FRAILTY = { 'crash of a conductor': 0.5, 'crash of a scheduler': 5, 'crash of an agent': 8 } as const;

/** Makes things go wrong as its profile says, until it is told to stop; then puts right what was its doing. */
export class Adversary {
  readonly counts = new Map<FaultKind, number>();
  readonly #world: World;
  readonly #profile: Profile;
  readonly #life: Life;
  readonly #operator: Client;
  readonly #cutOff = new Set<Process>();
  #databaseDown = false;
  #active = false;
  #evacuating: Promise<unknown> = Promise.resolve();

  constructor(world: World, profile: Profile) {
    this.#world = world;
    this.#profile = profile;
    this.#life = world.life('adversary');
    this.#operator = new Client(world, 'operator', 'admin');
  }

  start(): void {
    const { partitionEveryMs, pauseEveryMs, outageEveryMs, hostLossEveryMs } = this.#profile;
    this.#active = true;
    this.#world.onStep = (process, moment, what) => this.#step(process, moment, what);
    this.#world.fate = () => this.#fate();
    this.#world.databaseReachable = (process) => !this.#databaseDown && !this.#cutOff.has(process);
    this.#again(partitionEveryMs, () => this.#partition());
    this.#again(pauseEveryMs, () => this.#pause());
    this.#again(outageEveryMs, () => this.#outage());
    this.#again(hostLossEveryMs, () => this.#loseHost());
  }

  /** Nothing goes wrong from now on; what is down comes back by itself. Settles when every process runs. */
  async stop(): Promise<void> {
    this.#active = false;
    this.#databaseDown = false;
    this.#cutOff.clear();
    this.#world.onStep = () => 'goes on';
    this.#world.fate = () => ({ copies: 1, delayMs: 0 });
    for (const process of this.#world.processes) {
      if (!process.alive) continue;
      process.life?.resume();
      process.transport?.restore();
    }
    for (const agent of this.#world.agents) agent.calm();
    await this.#evacuating;
    while (this.#world.processes.some(({ alive }) => !alive)) await this.#life.clock.sleep(100);
  }

  #count(kind: FaultKind): void {
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1);
  }

  #happens(share: number): boolean {
    return share > 0 && this.#active && this.#life.random.next() < share;
  }

  #between({ least, most }: { readonly least: number; readonly most: number }): number {
    return least + this.#life.random.next() * (most - least);
  }

  #fate() {
    const { lose, double, delay, delayMs } = this.#profile;
    if (this.#happens(lose)) {
      this.#count('lost');
      return { copies: 0, delayMs: 0 };
    }
    const doubled = this.#happens(double);
    if (doubled) this.#count('doubled');
    const delayed = this.#happens(delay);
    if (delayed) this.#count('delayed');
    return { copies: doubled ? 2 : 1, delayMs: delayed ? this.#life.random.next() * delayMs : 0 };
  }

  #step(process: Process, moment: 'before' | 'after', what: string): 'goes on' | 'breaks' {
    const { crash, broken } = this.#profile;
    if (this.#happens(Math.min(0.1, crash * FRAILTY[process.role]))) {
      this.#count(process.role);
      this.#world.kill(process, `${moment} ${what.slice(0, 40)}`, this.#between(RESTART_MS));
      return 'goes on';
    }
    // Only statements have a connection that can break, and a break is worth most where a commit is in doubt.
    if (!isConductor(process) || !/\s|;/.test(what)) return 'goes on';
    if (!this.#happens((/^commit/i.test(what) ? 4 : 0.5) * broken)) return 'goes on';
    this.#count('broken connection');
    return 'breaks';
  }

  #again(everyMs: number, act: () => void): void {
    if (everyMs === 0) return;
    this.#life.clock.after(-Math.log(1 - this.#life.random.next()) * everyMs, () => {
      if (!this.#active) return;
      act();
      this.#again(everyMs, act);
    });
  }

  /** A process is cut off from the broker, from the database, or from both. */
  #partition(): void {
    const candidates = this.#world.processes.filter(({ alive }) => alive);
    const process = candidates[Math.floor(this.#life.random.next() * candidates.length)];
    if (process === undefined) return;
    this.#count('partition');
    const ways = isConductor(process) ? this.#life.random.next() : 0;
    const { transport, life } = process;
    const ms = this.#between(PARTITION_MS);
    this.#world.trace.note('adversary', `cuts ${process.name} off for ${ms.toFixed(0)}`);
    if (ways < 0.7) transport?.cut('partition');
    if (ways >= 0.4) this.#cutOff.add(process);
    this.#life.clock.after(ms, () => {
      this.#cutOff.delete(process);
      if (life?.alive === true) transport?.restore();
    });
  }

  /** A process stands still, keeps its connections, and goes on as if no time had passed. */
  #pause(): void {
    const candidates = this.#world.processes.filter(({ alive }) => alive);
    const life = candidates[Math.floor(this.#life.random.next() * candidates.length)]?.life;
    if (life === undefined) return;
    this.#count('pause');
    life.pause();
    this.#life.clock.after(this.#between(PAUSE_MS), () => life.resume());
  }

  #outage(): void {
    if (this.#databaseDown) return;
    this.#count('database outage');
    this.#world.trace.note('adversary', 'takes the database away');
    this.#databaseDown = true;
    this.#life.clock.after(this.#between(OUTAGE_MS), () => (this.#databaseDown = false));
  }

  /** A machine loses its power. Its operator sees that, says so, and has its servers evacuated. */
  #loseHost(): void {
    const candidates = this.#world.agents.filter(({ alive }) => alive);
    // The others must have somewhere to go.
    if (candidates.length < this.#world.agents.length) return;
    const agent = candidates[Math.floor(this.#life.random.next() * candidates.length)]!;
    this.#count('lost host');
    this.#world.kill(agent, 'the machine lost its power', null);
    agent.powerOff();
    this.#evacuating = Promise.all([this.#evacuating, this.#evacuate(agent)]);
  }

  async #evacuate(agent: AgentProcess): Promise<void> {
    const { clock, random } = this.#life;
    const endsAt = clock.monotonic() + this.#between(POWER_OFF_MS);
    await clock.sleep(random.next() * 10_000);
    await this.#insist(() => this.#operator.forceDown(agent.name, true));
    const { turns, observer } = this.#world;
    const servers = await turns.hold(
      observer.rows<{ uuid: string }>('select uuid from instances where host = $1 order by uuid', [agent.name]),
    );
    for (const { uuid } of servers) {
      if (random.next() < 0.3) continue;
      this.#count('evacuation');
      await this.#operator.act(uuid, 'evacuate', { host: null, force: null, stopped: null }).catch(() => undefined);
    }
    if (endsAt > clock.monotonic()) await clock.sleep(endsAt - clock.monotonic());
    void agent.start();
    await this.#insist(() => this.#operator.forceDown(agent.name, false));
  }

  async #insist(act: () => Promise<void>): Promise<void> {
    for (;;) {
      try {
        await act();
        return;
      } catch {
        await this.#life.clock.sleep(1_000);
      }
    }
  }
}

const isConductor = (process: Process): process is ConductorProcess => process.role === 'crash of a conductor';
