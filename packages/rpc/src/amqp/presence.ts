// A quorum queue outlives its servers and takes messages that nobody will read, so `mandatory` says nothing there.
// Whether somebody listens is told by the number of consumers, asked once in a while per queue.
import type { Channel } from 'amqplib';
import type { Clock } from '../environment.ts';
import type { Link } from './link.ts';

/** For how long an answer is believed; milliseconds. A call to a server that left within it ends at its deadline only. */
const BELIEVED_MS = 100;
/** A question that was cut off by another's absent queue is asked again so often. */
const ATTEMPTS = 5;
/** Queues remembered. */
const MAX_KNOWN = 10_000;

export class Presence {
  readonly #link: Link;
  readonly #clock: Clock;
  readonly #seenAt = new Map<string, number>();
  readonly #asking = new Map<string, Promise<boolean>>();
  #channel: Promise<Channel> | undefined;

  constructor(link: Link, clock: Clock) {
    this.#link = link;
    this.#clock = clock;
  }

  /** True when somebody listened a moment ago. */
  known(queue: string): boolean {
    const seenAt = this.#seenAt.get(queue);
    return seenAt !== undefined && this.#clock.monotonic() - seenAt < BELIEVED_MS;
  }

  /** Asks the broker whether somebody listens. An absent queue is nobody. */
  ask(queue: string): Promise<boolean> {
    let asking = this.#asking.get(queue);
    if (asking === undefined) {
      asking = this.#ask(queue).finally(() => this.#asking.delete(queue));
      this.#asking.set(queue, asking);
    }
    return asking;
  }

  async #ask(queue: string): Promise<boolean> {
    for (let attempt = 0; attempt < ATTEMPTS && this.#link.alive; attempt++) {
      try {
        const channel = await (this.#channel ??= this.#open());
        const { consumerCount } = await channel.checkQueue(queue);
        if (consumerCount === 0) {
          this.#seenAt.delete(queue);
          return false;
        }
        if (this.#seenAt.size >= MAX_KNOWN) this.#seenAt.clear();
        this.#seenAt.set(queue, this.#clock.monotonic());
        return true;
      } catch (error) {
        // The broker closes the channel for an absent queue, and with it ends the questions about others.
        if (error instanceof Error && error.message.includes(`'${queue}'`)) return false;
      }
    }
    return false;
  }

  async #open(): Promise<Channel> {
    const channel = await this.#link.channel();
    channel.on('close', () => {
      this.#channel = undefined;
    });
    return channel;
  }
}
