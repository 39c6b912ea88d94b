// A quorum queue outlives its servers and takes messages that nobody will read, so `mandatory` says nothing there.
// Whether somebody listens is told by the number of consumers, asked once in a while per queue. A queue that changes its
// leader says zero as well: where somebody listened a moment ago, zero is asked again for a while before it is believed.
import type { Channel } from 'amqplib';
import type { Clock } from '../environment.ts';
import type { Link } from './link.ts';

/** For how long an answer is believed; milliseconds. A call to a server that left within it ends at its deadline only. */
const BELIEVED_MS = 100;
/** A question that was cut off by another's absent queue is asked again so often. */
const ATTEMPTS = 5;
/** The first wait before zero is asked again, doubled each time; milliseconds. */
const AGAIN_MS = 20;
/** For how long it is known that a queue had listeners; milliseconds. */
const REMEMBERED_MS = 30_000;
/** Queues remembered. */
const MAX_KNOWN = 10_000;

export class Presence {
  readonly #clock: Clock;
  readonly #doubtMs: number;
  readonly #seenAt = new Map<string, number>();
  /** Those who wait for the same answer, in their order. */
  readonly #asking = new Map<string, ((present: boolean) => void)[]>();
  #link: Link | undefined;
  #channel: Promise<Channel> | undefined;

  constructor(clock: Clock, doubtMs: number) {
    this.#clock = clock;
    this.#doubtMs = doubtMs;
  }

  /** From now on the questions go over this link. */
  use(link: Link): void {
    this.#link = link;
    this.#channel = undefined;
    this.#asking.clear();
  }

  /** True when somebody listened a moment ago, and no message waits to be told so. */
  known(queue: string): boolean {
    return this.#seenWithin(queue, BELIEVED_MS) && !this.#asking.has(queue);
  }

  /**
   * False when nobody listens, or there is no such queue; true when somebody does, or it cannot be told. Those who ask while
   * a question is on its way are told with it, in their order and in one step, so that no message overtakes another.
   */
  ask(queue: string, tell: (present: boolean) => void): void {
    const link = this.#link;
    const waiting = this.#asking.get(queue);
    if (waiting !== undefined) {
      waiting.push(tell);
      return;
    }
    if (link === undefined) return tell(true);
    const all = [tell];
    this.#asking.set(queue, all);
    void this.#ask(link, queue).then((present) => {
      if (this.#asking.get(queue) === all) this.#asking.delete(queue);
      for (const each of all) each(present);
    });
  }

  async #ask(link: Link, queue: string): Promise<boolean> {
    const endsAt = this.#clock.monotonic() + (this.#seenWithin(queue, REMEMBERED_MS) ? this.#doubtMs : 0);
    for (let waitMs = AGAIN_MS; ; waitMs *= 2) {
      const consumers = await this.#consumersOf(link, queue);
      if (consumers === 'unknown') return true; // what becomes of the message is told by the link
      if (consumers > 0) {
        if (this.#seenAt.size >= MAX_KNOWN) this.#seenAt.clear();
        this.#seenAt.set(queue, this.#clock.monotonic());
        return true;
      }
      const leftMs = endsAt - this.#clock.monotonic();
      if (leftMs <= 0) break;
      await this.#clock.sleep(Math.min(waitMs, leftMs));
    }
    this.#seenAt.delete(queue);
    return false;
  }

  async #consumersOf(link: Link, queue: string): Promise<number | 'unknown'> {
    for (let attempt = 0; attempt < ATTEMPTS && link.alive; attempt++) {
      try {
        const channel = await (this.#channel ??= this.#open(link));
        return (await channel.checkQueue(queue)).consumerCount;
      } catch (error) {
        // The broker closes the channel for an absent queue, and with it ends the questions about others. It also says
        // "not found" of a queue that cannot answer at present.
        if (error instanceof Error && error.message.includes(`no queue '${queue}'`)) return 0;
      }
    }
    return 'unknown';
  }

  async #open(link: Link): Promise<Channel> {
    const channel = await link.channel();
    const opened = this.#channel;
    channel.on('close', () => {
      if (this.#channel === opened) this.#channel = undefined;
    });
    return channel;
  }

  #seenWithin(queue: string, ms: number): boolean {
    const seenAt = this.#seenAt.get(queue);
    return seenAt !== undefined && this.#clock.monotonic() - seenAt < ms;
  }
}
