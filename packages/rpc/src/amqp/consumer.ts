import type { Channel, ConsumeMessage } from 'amqplib';
import type { Environment } from '../environment.ts';
import type { Delivery } from '../transport.ts';
import { giveBack } from '../wire/lent-memory.ts';
import { Flow } from './flow.ts';
import type { Link } from './link.ts';
import { codeOf } from './refusals.ts';
import type { Queue } from './topology.ts';

export interface ConsumerPlan {
  readonly queue: Pick<Queue, 'name'>;
  /** Declares the queue, where we may. Gives its name if it is another one for each connection. */
  readonly declare: (channel: Channel) => Promise<string | void>;
  /** Infinity: nothing is acknowledged. */
  readonly prefetch: number;
  /** The queue belongs to this process alone: a newer connection of it goes before its own ghost. */
  readonly own: boolean;
  /** Asks for the queue to be declared, where we may not. */
  readonly askSteward: ((link: Link, reason: string) => void) | undefined;
  readonly environment: Environment;
  /** Longest wait between attempts; milliseconds. */
  readonly retryCapMs: number;
  take(delivery: Delivery): void;
  /** Its messages may be lost: the queue went away, or the channel did. */
  onBroken(reason: string): void;
  onMended(): void;
}

const RETRY_BASE_MS = 50;
/** A steward that was asked for seconds is asked again when it took so much longer. */
const STEADY_RETRY_MS = 1_000;
const PART_OF_WAITED = 1 / 4;
/** What a steward that is there takes to declare our queues. */
const DECLARED_MS = 250;
const NOT_FOUND = 404;

/** Takes messages of one queue, on a channel of its own, over any number of connections. */
export class Consumer {
  readonly #plan: ConsumerPlan;
  #flow: Flow | undefined;
  #ended = false;

  constructor(plan: ConsumerPlan) {
    this.#plan = plan;
  }

  /** Settles when messages flow. @throws when the link dies, or the broker refuses for good. */
  async open(link: Link): Promise<void> {
    const { clock, random } = this.#plan.environment;
    const pause = (ms: number) => Promise.race([clock.sleep(ms * (0.5 + random.next() / 2)), link.closed]);
    const beganAt = clock.monotonic();
    for (let attempt = 0; !this.#ended; attempt++) {
      try {
        return await this.#consume(link);
      } catch (error) {
        if (this.#plan.askSteward === undefined || codeOf(error) !== NOT_FOUND || !link.alive) throw error;
        const growing = Math.min(STEADY_RETRY_MS, RETRY_BASE_MS * 2 ** attempt);
        const most = Math.min(this.#plan.retryCapMs, Math.max(growing, (clock.monotonic() - beganAt) * PART_OF_WAITED));
        if (attempt > 0) await pause(most);
        if (!link.alive) throw error;
        this.#plan.askSteward(link, (error as Error).message);
        await pause(Math.min(most, DECLARED_MS));
      }
    }
  }

  /**
   * Takes messages over another link as well, until the move is kept or taken back. Keeping it settles when nothing is
   * in hand that came over the former.
   */
  async move(link: Link): Promise<{ keep(): Promise<void>; takeBack(): Promise<void> }> {
    const former = this.#flow;
    await this.open(link);
    const later = this.#flow;
    return {
      async keep() {
        if (former === later) return;
        await former?.pause();
        await former?.idle();
        await former?.close();
      },
      takeBack: async () => {
        if (former === later) return;
        if (this.#flow === later) this.#flow = former;
        await later?.close();
      },
    };
  }

  /** No more messages; those in hand can still be acknowledged. */
  async pause(): Promise<void> {
    this.#ended = true;
    await this.#flow?.pause();
  }

  async close(): Promise<void> {
    this.#ended = true;
    const flow = this.#flow;
    this.#flow = undefined;
    await flow?.close();
  }

  async #consume(link: Link): Promise<void> {
    const { queue, prefetch, own, askSteward, environment } = this.#plan;
    const channel = await link.channel();
    const noAck = prefetch === Number.POSITIVE_INFINITY;
    const flow = new Flow(channel, !noAck);
    try {
      const name = (askSteward === undefined ? await this.#plan.declare(channel) : undefined) ?? queue.name;
      if (!noAck) await channel.prefetch(prefetch);
      const take = (message: ConsumeMessage | null) => this.#take(link, flow, message);
      link.shortcut(channel, take);
      const { consumerTag } = await channel.consume(name, take, {
        noAck,
        // The ghost of a connection that broke half may live until its heartbeats end; the younger consumer is served first.
        ...(own ? { priority: Math.floor(environment.clock.now() / 1_000) } : {}),
      });
      flow.started(consumerTag);
    } catch (error) {
      await flow.close();
      throw error;
    }
    this.#flow = flow;
    channel.on('close', () => {
      flow.lose();
      if (this.#flow === flow) this.#again(link, 'the channel was closed');
    });
    if (this.#ended) await this.close();
  }

  #take(link: Link, flow: Flow, message: ConsumeMessage | null): void {
    if (message === null) {
      if (this.#flow === undefined || this.#flow === flow) this.#again(link, 'the queue was deleted');
      return;
    }
    if (flow.acknowledged && flow.closed) return;
    this.#plan.take(flow.arrived(message));
    if (!flow.acknowledged) giveBack(message.content);
  }

  #again(link: Link, reason: string): void {
    const flow = this.#flow;
    this.#flow = undefined;
    flow?.lose();
    if (this.#ended) return;
    // The 'close' events of a dying connection come channel by channel: in the next turn it is known to be dead.
    setImmediate(() => {
      if (!link.alive || this.#ended) return;
      this.#plan.environment.log.warn({ queue: this.#plan.queue.name, reason }, 'consumer lost, taken up again');
      this.#plan.onBroken(reason);
      void flow?.close();
      this.open(link).then(
        () => this.#plan.onMended(),
        () => link.close(),
      );
    });
  }
}
