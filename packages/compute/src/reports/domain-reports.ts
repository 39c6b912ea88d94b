import { DomainReport, DomainsReport, type hostReportsContract } from '@kilonova/objects';
import { RpcError, type Client } from '@kilonova/rpc';
import type { Clock, Logger, Random } from '@kilonova/runtime';
import type { ComputeOptions } from '../config.ts';
import type { Domain, Driver } from '../driver/driver.ts';
import { aboutMs, Alarm } from './alarm.ts';

/**
 * So many times the looks within which every agent tells what runs: of two agents of one host, each that registered again
 * hears within half of it that the other one did so as well.
 */
const BELIEVED_REFRESHES = 4;

export interface DomainReportsParts {
  readonly host: string;
  /** This process, among all that ever spoke for the host. */
  readonly agent: string;
  readonly config: ComputeOptions;
  readonly client: Client<typeof hostReportsContract>;
  readonly driver: Driver;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Registers this host once more; settles when that was answered. */
  readonly registerAgain: () => Promise<void>;
  /** Another process registered as this host since, and did so again after this one had registered once more. */
  readonly onSuperseded: (reason: string) => void;
  /** What runs was told, at a time of this host's own. */
  readonly onTold: () => void;
}

/**
 * Looks periodically at everything that runs, and tells it in pieces: after the first registration at once, for several
 * looks in a row when it changed (the conductor believes no single one), and now and then although nothing changed. After
 * a later registration it is told soon, since it may run elsewhere by now, but not at once: when a broker returns, thousands
 * of hosts do; where nothing ran and nothing runs, there is nothing to tell. A round that breaks off is not repeated: the next one says
 * it all again.
 */
export class DomainReports {
  readonly #parts: DomainReportsParts;
  readonly #alarm: Alarm;
  readonly #closed = new AbortController();
  #loop: Promise<void> | undefined;
  #round = 0;
  /** Looks that are to be told whatever they find. */
  #owed: number;
  #last = '';
  #returned = false;
  /** Looks since the last one that was told. */
  #silent = 0;
  /** Looks since the conductor refused this agent. */
  #believed = Infinity;
  #listing: Promise<readonly Domain[]> | undefined;

  constructor(parts: DomainReportsParts) {
    this.#parts = parts;
    this.#alarm = new Alarm(parts.clock);
    this.#owed = parts.config.domainRepeats;
  }

  /** The conductor knows this host, anew or again; before the first call nothing is told. */
  registered(): void {
    const again = this.#loop !== undefined;
    this.#returned = again && this.#last !== '';
    if (!again || this.#returned) {
      this.#owed = Math.max(this.#owed, 1);
      this.#alarm.ring();
    }
    this.#loop ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#closed.abort(new Error('the agent stops'));
    this.#alarm.close();
    await this.#loop;
  }

  async #run(): Promise<void> {
    const { config, random, log, onTold } = this.#parts;
    for (;;) {
      await this.#alarm.wait(aboutMs(config.domainReportMs, random));
      const amongMany = this.#returned;
      if (amongMany) await this.#alarm.wait(random.next() * Math.min(config.domainReturnMs, config.domainReportMs));
      this.#returned = false;
      if (this.#alarm.closed) return;
      try {
        const told = await this.#look();
        this.#believed += 1;
        if (told && !amongMany) onTold();
      } catch (error) {
        if (isSuperseded(error)) {
          if (!(await this.#speakAgain((error as Error).message))) return;
        } else if (!this.#alarm.closed) log.warn({ round: this.#round, reason: (error as Error).message }, 'domains not reported');
      }
    }
  }

  /**
   * What registered since may be the process before this one, whose message came late: then nobody else answers, and this one
   * speaks again after another registration. Where another agent lives it does the same, and the first that is refused once
   * more stands still. Whether it goes on.
   */
  async #speakAgain(reason: string): Promise<boolean> {
    const { config, log, registerAgain, onSuperseded } = this.#parts;
    if (this.#believed < BELIEVED_REFRESHES * config.domainRefreshRounds) {
      onSuperseded(reason);
      return false;
    }
    this.#believed = 0;
    log.warn({ reason }, 'another agent registered as this host: registered once more');
    await registerAgain();
    return true;
  }

  /** Whether it was told. */
  async #look(): Promise<boolean> {
    const { domainRepeats, domainRefreshRounds } = this.#parts.config;
    const domains = await this.#list();
    const found = fingerprint(domains);
    if (found !== this.#last) this.#owed = domainRepeats;
    this.#last = found;
    this.#silent += 1;
    if (this.#owed === 0 && this.#silent < domainRefreshRounds) return false;
    await this.#tell(domains);
    this.#silent = 0;
    this.#owed = Math.max(0, this.#owed - 1);
    return true;
  }

  async #tell(domains: readonly Domain[]): Promise<void> {
    const { host, agent, config, client, clock } = this.#parts;
    // Above every round of this host, also of an earlier agent.
    this.#round = Math.max(this.#round + 1, Math.floor(clock.now() / 1_000));
    const pieces = Math.max(1, Math.ceil(domains.length / config.domainPieceSize));
    for (let piece = 0; piece < pieces; piece += 1) {
      const some = domains.slice(piece * config.domainPieceSize, (piece + 1) * config.domainPieceSize);
      const report = Object.assign(new DomainsReport(), {
        host,
        agent,
        round: this.#round,
        last: piece === pieces - 1,
        domains: some.map(({ uuid, generation, power }) => Object.assign(new DomainReport(), { uuid, generation, power })),
      });
      await client.reportDomains(report, { timeoutMs: config.callTimeoutMs, signal: this.#closed.signal });
    }
  }

  /** Lists at most once at a time; gives up waiting after `driverWaitMs`, not listing. */
  async #list(): Promise<readonly Domain[]> {
    const { driver, clock, config } = this.#parts;
    this.#listing ??= driver.list().finally(() => (this.#listing = undefined));
    const signal = this.#closed.signal;
    const ends: (() => void)[] = [];
    const expired = new Promise<never>((_resolve, reject) => {
      const onAbort = () => reject(signal.reason as Error);
      signal.addEventListener('abort', onAbort, { once: true });
      ends.push(
        () => signal.removeEventListener('abort', onAbort),
        clock.after(config.driverWaitMs, () =>
          reject(new Error(`the hypervisor did not list its domains within ${config.driverWaitMs} ms`)),
        ),
      );
    });
    try {
      return await Promise.race([this.#listing, expired]);
    } finally {
      for (const end of ends) end();
    }
  }
}

/** The same for the same domains, in whatever order the hypervisor lists them. */
const fingerprint = (domains: readonly Domain[]): string =>
  domains
    .map(({ uuid, generation, power }) => `${uuid} ${generation} ${power}`)
    .toSorted()
    .join('\n');
const isSuperseded = (error: unknown): boolean => error instanceof RpcError && error.code === 'AgentSuperseded';
