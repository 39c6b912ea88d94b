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

/** Takes messages of one queue, on a channel of its own, over any number of connections: two at a time while one is renewed. */
export class Consumer {
  readonly #plan: ConsumerPlan;
  readonly #flows = new Map<Link, Flow>();
  /** Once for each link, however many ask: who adds it, and who renews the connection meanwhile. */
  readonly #opened = new WeakMap<Link, Promise<void>>();
  #ended = false;

  constructor(plan: ConsumerPlan) {
    this.#plan = plan;
  }

  /** Settles when messages flow. @throws when the link dies, or the broker refuses for good. */
  open(link: Link): Promise<void> {
    let opened = this.#opened.get(link);
    if (opened === undefined) {
      opened = this.#open(link);
      this.#opened.set(link, opened);
      opened.catch(() => this.#opened.delete(link));
    }
    return opened;
  }

  /** No more messages over this link. Settles when nothing is in hand that came over it. */
  async retire(link: Link): Promise<void> {
    const flow = this.#flows.get(link);
    await flow?.pause();
    await flow?.idle();
    await this.leave(link);
  }

  /** No more messages over this link; those in hand go back to the broker. */
  async leave(link: Link): Promise<void> {
    const flow = this.#flows.get(link);
    this.#flows.delete(link);
    await flow?.close();
  }

  /** No more messages; those in hand can still be acknowledged. */
  async pause(): Promise<void> {
    this.#ended = true;
    await Promise.all([...this.#flows.values()].map((flow) => flow.pause()));
  }

  async close(): Promise<void> {
    this.#ended = true;
    await Promise.all([...this.#flows.keys()].map((link) => this.leave(link)));
  }

  async #open(link: Link): Promise<void> {
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
    channel.on('close', () => this.#again(link, flow, 'the channel was closed'));
    if (!flow.closed) this.#flows.set(link, flow);
    if (this.#ended) await this.leave(link);
  }

  #take(link: Link, flow: Flow, message: ConsumeMessage | null): void {
    if (message === null) return this.#again(link, flow, 'the queue was deleted');
    if (flow.acknowledged && flow.closed) return;
    this.#plan.take(flow.arrived(message));
    if (!flow.acknowledged) giveBack(message.content);
  }

  /** Unless it was we who ended it. */
  #again(link: Link, flow: Flow, reason: string): void {
    if (flow.closed) return;
    flow.lose();
    if (this.#flows.get(link) === flow) this.#flows.delete(link);
    if (this.#ended || flow.paused) return;
    // The 'close' events of a dying connection come channel by channel: in the next turn it is known to be dead.
    setImmediate(() => {
      if (!link.alive || this.#ended) return;
      this.#plan.environment.log.warn({ queue: this.#plan.queue.name, reason }, 'consumer lost, taken up again');
      this.#plan.onBroken(reason);
      void flow.close();
      this.#opened.delete(link);
      this.open(link).then(
        () => this.#plan.onMended(),
        () => link.close(),
      );
    });
  }
}
