import type { Clock } from '@kilonova/runtime';
import type { Cloud } from './cloud.ts';
import { listServers } from './servers.ts';

/** A cloud tells times to the second, and writes them before others can see them. */
const OVERLAP_MS = 2_000;
/** Every so many looks, all ACTIVE servers are listed, in case a change was missed. */
const WHOLE_EVERY = 20;
/** Every so many looks, servers in ERROR are listed. */
const ERRORS_EVERY = 8;

/**
 * Notes when servers were first seen ACTIVE or in ERROR, by one list per look of what became ACTIVE lately: waiting for
 * many servers costs the cloud what waiting for one does.
 */
export class Onlooker {
  /** Id to the moment it was first seen so; monotonic milliseconds. */
  readonly active = new Map<string, number>();
  readonly failed = new Map<string, number>();
  /** Lists that were asked for, page by page. */
  lists = 0;
  readonly #cloud: Cloud;
  readonly #clock: Clock;
  readonly #prefix: string;
  #looks = 0;
  /** The server's clock at the last look. */
  #seenUntil = Number.NaN;

  constructor(cloud: Cloud, clock: Clock, prefix: string) {
    this.#cloud = cloud;
    this.#clock = clock;
    this.#prefix = prefix;
  }

  get settled(): number {
    return this.active.size + this.failed.size;
  }

  async look(signal?: AbortSignal): Promise<void> {
    const whole = this.#looks % WHOLE_EVERY === 0 || Number.isNaN(this.#seenUntil);
    const date = await this.#note('ACTIVE', whole ? Number.NaN : this.#seenUntil - OVERLAP_MS, this.active, signal);
    this.#looks += 1;
    this.#seenUntil = date;
    if (this.#looks % ERRORS_EVERY === 0) await this.#note('ERROR', Number.NaN, this.failed, signal);
  }

  /** Looks once per tick until `done`, or the signal is aborted. A look that fails is told and tried again. */
  async until(done: () => boolean, tickMs: number, signal: AbortSignal, onError: (error: unknown) => void): Promise<void> {
    while (!signal.aborted) {
      const began = this.#clock.monotonic();
      try {
        await this.look(signal);
      } catch (error) {
        if (!signal.aborted) onError(error);
      }
      if (done()) return;
      await this.#clock.sleep(Math.max(1, tickMs - (this.#clock.monotonic() - began)), signal).catch(() => undefined);
    }
  }

  async #note(status: string, since: number, sink: Map<string, number>, signal?: AbortSignal): Promise<number> {
    const changed = Number.isNaN(since) ? '' : `&changes-since=${new Date(since).toISOString().slice(0, 19)}Z`;
    const { servers, pages, date } = await listServers(this.#cloud, this.#prefix, `status=${status}${changed}`, signal);
    const now = this.#clock.monotonic();
    for (const { id } of servers) if (!sink.has(id)) sink.set(id, now);
    this.lists += pages;
    return date;
  }
}
