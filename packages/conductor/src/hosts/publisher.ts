import { HostChange, type HostState } from '@kilonova/objects';
import { RpcError } from '@kilonova/rpc';
import type { Clock, Logger } from '@kilonova/runtime';

/** Where news of hosts comes from and goes to. */
export interface PublisherParts {
  /** Names this process among publishers; a new one for every start. */
  readonly id: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** The absolute state of these hosts; one that is gone is missing in the answer. */
  readonly read: (hosts: readonly string[]) => Promise<readonly HostState[]>;
  /** Tells every scheduler. */
  readonly tell: (change: HostChange) => Promise<void>;
  /** Milliseconds that touches are collected before they are read and sent. */
  readonly collectMs: number;
  /** Hosts in one message. */
  readonly pieceHosts: number;
  /** Milliseconds before another try when the database did not answer. */
  readonly retryMs: number;
}

/**
 * Tells the schedulers how hosts are after a commit that touched them. What is sent is the state as it is when it is
 * read, so touches of one host between two readings are one message, and the receiver keeps the higher revision. What
 * waits is a set of names: its size is bounded by the number of hosts. A message that is lost leaves a gap in the
 * sequence (or a different digest), at which a scheduler reloads.
 */
export class HostPublisher {
  readonly #parts: PublisherParts;
  readonly #waiting = new Set<string>();
  #sequence = 0;
  #cancel: (() => void) | null = null;
  #sending: Promise<void> | null = null;
  #stopped = false;

  constructor(parts: PublisherParts) {
    this.#parts = parts;
  }

  /** The number of the last change. */
  get sequence(): number {
    return this.#sequence;
  }

  /** To be called after the commit; returns at once and never throws. */
  hostsTouched(hosts: Iterable<string>): void {
    for (const host of hosts) this.#waiting.add(host);
    this.#arm(this.#parts.collectMs);
  }

  /** Sends what waits, once, and takes nothing more. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel?.();
    this.#cancel = null;
    await this.#sending;
    if (this.#waiting.size > 0) await this.#send();
  }

  #arm(ms: number): void {
    if (this.#stopped || this.#cancel !== null || this.#sending !== null || this.#waiting.size === 0) return;
    this.#cancel = this.#parts.clock.after(ms, () => {
      this.#cancel = null;
      this.#sending = this.#send().then((sent) => {
        this.#sending = null;
        this.#arm(sent ? this.#parts.collectMs : this.#parts.retryMs);
      });
    });
  }

  /** True when everything that waited was read. */
  async #send(): Promise<boolean> {
    const { read, log, pieceHosts } = this.#parts;
    // Statements name hosts in no order that could be relied upon.
    const names = [...this.#waiting].toSorted();
    this.#waiting.clear();
    for (let start = 0; start < names.length; start += pieceHosts) {
      const piece = names.slice(start, start + pieceHosts);
      let states: readonly HostState[];
      try {
        states = await read(piece);
      } catch (error) {
        for (const name of names.slice(start)) this.#waiting.add(name);
        log.warn({ err: error, hosts: names.length - start }, 'host states not read, trying again');
        return false;
      }
      const found = new Set(states.map((state) => state.host));
      await this.#tell(
        states,
        piece.filter((name) => !found.has(name)),
      );
    }
    return true;
  }

  /** A message that is not sent is a gap in the sequence, at which schedulers reload; one that is too large is sent in halves. */
  async #tell(hosts: readonly HostState[], removedHosts: readonly string[]): Promise<void> {
    const { id, tell, log } = this.#parts;
    const change = Object.assign(new HostChange(), { publisher: id, sequence: this.#sequence + 1, hosts, removedHosts });
    try {
      await tell(change);
    } catch (error) {
      if (error instanceof RpcError && error.code === 'MessageTooLarge' && hosts.length > 1) {
        const middle = hosts.length >> 1;
        await this.#tell(hosts.slice(0, middle), removedHosts);
        await this.#tell(hosts.slice(middle), []);
        return;
      }
      log.warn({ err: error, hosts: hosts.length, sequence: change.sequence }, 'host change not sent');
    }
    this.#sequence = change.sequence;
  }
}
