import { MINOR, minorOf, spokenTo, version } from '@kilonova/objects';
import type { OlderPeer } from '@kilonova/rpc';
import { Gauge } from 'prom-client';
import { hostsOfOtherVersions, liveVersions } from '../db/versions.ts';
import { Loop } from '../tasks/engine/loop.ts';
import type { Services } from '../services.ts';
import { Sightings } from './sightings.ts';

const SCHEDULER = 'nova-scheduler';
const CONDUCTOR = 'nova-conductor';
const FOLLOWED = { scheduler: SCHEDULER, conductor: CONDUCTOR } as const;

/**
 * Which version to speak to whom, so that services of two releases work side by side: to the schedulers that of the oldest that
 * lives, to each host its own. Read from the table of services again and again, so that a pin moves up by itself when the
 * last older service is gone; a refusal moves it down at once.
 */
export class PeerVersions {
  readonly #services: Pick<Services, 'knex' | 'clock' | 'log' | 'metrics' | 'config'>;
  readonly #fixed: string | (() => string) | undefined;
  readonly #sightings: Sightings;
  readonly #pins = { scheduler: version, conductor: version };
  /** Only those that differ from our own. */
  #hosts: ReadonlyMap<string, string> = new Map();
  #loop: Loop | undefined;

  /** @param fixed said by the operator: nothing is followed */
  constructor(services: Pick<Services, 'knex' | 'clock' | 'log' | 'metrics' | 'config'>, fixed?: string | (() => string)) {
    this.#services = services;
    this.#fixed = fixed;
    this.#sightings = new Sightings(services.config.conductor.serviceDownMs);
    const registers = [services.metrics];
    const pins = this.#pins;
    const pinned: Gauge<'peer'> = new Gauge({
      ...{ name: 'kilonova_pin_minor', help: 'Minor of the wire version spoken to peers of a kind.', labelNames: ['peer'], registers },
      collect: () => {
        for (const [peer, pin] of Object.entries(pins)) pinned.set({ peer }, minorOf(pin) ?? MINOR);
      },
    });
    const older: Gauge = new Gauge({
      ...{ name: 'kilonova_older_hosts', help: 'Compute hosts that speak an older wire version than this conductor.', registers },
      collect: () => older.set([...this.#hosts.values()].filter((of) => spokenTo(of) !== version).length),
    });
  }

  /** Reads once, then goes on by itself. */
  async start(): Promise<void> {
    if (this.#fixed !== undefined) return;
    await this.refresh();
    this.#loop = new Loop('versions of peers', this.#services.config.conductor.versionLookMs, this.#services, () => this.refresh());
  }

  async stop(): Promise<void> {
    await this.#loop?.stop();
  }

  /** What to speak to the schedulers, any of which may take a message. */
  readonly ofSchedulers = (): string => this.#given ?? this.#pins.scheduler;

  /** What to speak to a host. */
  readonly ofHost = (host: string | undefined): string =>
    this.#given ?? spokenTo((host === undefined ? undefined : this.#hosts.get(host)) ?? version);

  /** What every conductor understands. */
  get oldestConductor(): string {
    return this.#pins.conductor;
  }

  /** The minor that every conductor understands, or that the operator said. */
  get conductorMinor(): number {
    return minorOf(this.#given ?? this.#pins.conductor) ?? MINOR;
  }

  /** A service of the control plane said that it lives. */
  saw(binary: string, spoken: string): void {
    this.#sightings.note(binary, spoken, this.#services.clock.monotonic());
    this.#settle();
  }

  /** A host said which version it speaks. */
  registered(host: string, spoken: string): void {
    if ((this.#hosts.get(host) ?? version) === spoken) return;
    const hosts = new Map(this.#hosts);
    if (spoken === version) hosts.delete(host);
    else hosts.set(host, spoken);
    this.#hosts = hosts;
    this.#services.log.info({ host, version: spoken }, 'a host speaks another version than before');
  }

  /** A scheduler that nobody had told of refused a message. */
  readonly schedulerIsOlder = ({ supported }: OlderPeer): void => this.saw(SCHEDULER, supported);

  async refresh(): Promise<void> {
    const { knex, clock, config } = this.#services;
    const now = clock.monotonic();
    for (const { binary, version: spoken, ageMs } of await liveVersions(knex, config.conductor.serviceDownMs))
      this.#sightings.note(binary, spoken, now - ageMs);
    this.#settle();
    this.#hosts = new Map((await hostsOfOtherVersions(knex, version)).map((row) => [row.host, row.version]));
  }

  get #given(): string | undefined {
    return typeof this.#fixed === 'function' ? this.#fixed() : this.#fixed;
  }

  #settle(): void {
    const { clock, log } = this.#services;
    const now = clock.monotonic();
    for (const peer of ['scheduler', 'conductor'] as const) {
      const from = this.#pins[peer];
      const to = this.#sightings.oldest(FOLLOWED[peer], now);
      if (from === to) continue;
      this.#pins[peer] = to;
      log.info({ peer, from, to }, 'pin moved');
    }
  }
}
