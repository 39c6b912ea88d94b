import { parseVersion } from '../contract/contract.ts';
import type { Clock } from '../environment.ts';
import { UnsupportedVersion } from '../errors.ts';
import { olderPeer, type OlderPeer } from './older-peer.ts';

/** How a pin finds out what to speak. */
export interface PeerPinOptions {
  /** What this side speaks, MAJOR.MINOR; the pin is never newer. */
  readonly own: string;
  /** Asks the peers for the version of the oldest among them. */
  readonly ask: () => Promise<string>;
  readonly clock: Clock;
  /** Between two questions, as long as peers are older. */
  readonly everyMs: number;
  readonly onMove?: (from: string, to: string) => void;
}

/**
 * The version to speak to peers that are replaced one by one. It begins with the oldest of the major, moves up as the peers
 * say, and moves down at once when one of them refuses: give a client both `pin` and `onOlderPeer`. While it is the
 * own version nobody is asked.
 */
export class PeerPin {
  readonly #options: PeerPinOptions;
  readonly #major: number;
  readonly #ownMinor: number;
  #current: string;
  #cancel: (() => void) | undefined;
  #asking: Promise<void> | undefined;
  #stopped = false;

  /** @throws TypeError when `own` is no version */
  constructor(options: PeerPinOptions) {
    const { major, minor } = parseVersion(options.own, 'own');
    this.#options = options;
    this.#major = major;
    this.#ownMinor = minor;
    this.#current = `${major}.0`;
  }

  readonly pin = (): string => this.#current;

  readonly onOlderPeer = ({ supported }: Pick<OlderPeer, 'supported'>): void => {
    if (this.#minorOf(supported) < this.#minorOf(this.#current)) this.#move(supported);
    this.#arm();
  };

  /** Asks now, and goes on until the peers speak the own version. Settles with the first answer, or without one. */
  async ask(): Promise<void> {
    if (this.#stopped || this.#current === this.#options.own) return;
    this.#cancel?.();
    this.#cancel = undefined;
    this.#asking ??= this.#askOnce().finally(() => {
      this.#asking = undefined;
      this.#arm();
    });
    await this.#asking;
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel?.();
  }

  #arm(): void {
    if (this.#stopped || this.#cancel !== undefined || this.#asking !== undefined || this.#current === this.#options.own) return;
    this.#cancel = this.#options.clock.after(this.#options.everyMs, () => {
      this.#cancel = undefined;
      void this.ask();
    });
  }

  async #askOnce(): Promise<void> {
    try {
      this.#move(await this.#options.ask());
    } catch (error) {
      // Who does not know the question is older than it. Who does not answer says nothing.
      const peer = error instanceof UnsupportedVersion ? olderPeer(error, undefined) : undefined;
      if (peer !== undefined) this.onOlderPeer(peer);
    }
  }

  #move(version: string): void {
    const minor = Math.min(this.#minorOf(version), this.#ownMinor);
    if (minor < 0) return;
    const next = `${this.#major}.${minor}`;
    const from = this.#current;
    if (next === from) return;
    this.#current = next;
    this.#options.onMove?.(from, next);
  }

  /** Below 0 for what is no version of this major: of such peers nothing can be said. */
  #minorOf(version: string): number {
    try {
      const { major, minor } = parseVersion(version, 'version');
      return major === this.#major ? minor : -1;
    } catch {
      return -1;
    }
  }
}
