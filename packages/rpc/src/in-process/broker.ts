import { environment, type Environment } from '../environment.ts';
import { Unreachable, Busy, type RpcError } from '../errors.ts';
import { defaultLimits, type Address, type OutgoingMessage, type Transport, type TransportLimits } from '../transport.ts';
import { addressKeys, REPLIES } from '../wire.ts';
import { InProcessTransport } from './transport.ts';
import { MemoryQueue, type StoredMessage } from './queue.ts';

/** Shares of messages, 0 to 1, that meet with a fault. Answers are messages too. */
export interface Faults {
  /** Gone without a trace: the sender of a cast is told that the broker has it. */
  readonly lose?: number;
  /** Delivered twice. */
  readonly double?: number;
  /** Messages wait a random time up to this; milliseconds. Different waits reorder. */
  readonly delayMs?: number;
}

export interface DeadLetter {
  readonly body: Buffer;
  readonly topic: string;
  readonly reason: string;
  readonly userId: string;
}

/** Kept for `deadLetters`; the oldest go first. */
const MAX_DEAD_LETTERS = 1_000;
/** After so many in a row the event loop gets its turn. */
const BURST = 64;

/**
 * A broker inside the process, for simulation and single-process use: the same bytes, order and errors as over AMQP.
 * With a seeded `random` and a virtual `clock` a run repeats.
 */
export class InProcessBroker {
  /** May be changed at any time. */
  faults: Faults;
  readonly deadLetters: DeadLetter[] = [];
  readonly #environment: Environment;
  readonly #queues = new Map<string, MemoryQueue>();
  #turn: (() => void)[] = [];
  #pumping = false;

  constructor(options: Partial<Environment> & { readonly faults?: Faults } = {}) {
    this.#environment = environment(options);
    this.faults = options.faults ?? {};
  }

  /** `user` is the authenticated name that handlers see; default: `service`. */
  connect(
    options: { service: string; id: string; user?: string } & Partial<Environment> & Partial<TransportLimits>,
  ): Transport & { cut(reason?: string): void; restore(): void } {
    const { service, id, user = service } = options;
    const limits = Object.fromEntries(
      Object.entries(defaultLimits).map(([name, value]) => [name, options[name as keyof TransportLimits] ?? value]),
    ) as unknown as TransportLimits;
    return new InProcessTransport(this, {
      service,
      id,
      user,
      limits,
      environment: environment({ ...this.#environment, ...definedParts(options) }),
    });
  }

  /** The queue of an address, made when somebody listens to it. @internal */
  queue(address: Address | 'reply', service: string, id: string): MemoryQueue {
    const [name, exchange, key] =
      address === 'reply'
        ? [`reply.${service}.${id}`, REPLIES, addressKeys.reply(service, id)]
        : address.kind === 'topic'
          ? [address.topic, address.exchange, addressKeys.topic(address.topic)]
          : address.kind === 'server'
            ? [`server.${address.topic}.${address.server}`, address.exchange, addressKeys.server(address.topic, address.server)]
            : [`fanout.${address.topic}.${service}.${id}`, address.exchange, addressKeys.fanout(address.topic)];
    let queue = this.#queues.get(name);
    if (queue === undefined) {
      queue = new MemoryQueue(
        exchange,
        key,
        this.#environment.clock,
        (act) => this.#soon(act),
        () => this.#queues.delete(name),
      );
      this.#queues.set(name, queue);
    }
    return queue;
  }

  /** `done` is told what the broker would say. @internal */
  publish(message: OutgoingMessage, userId: string, done: (error?: RpcError) => void): void {
    this.#soon(() => {
      const takers = [...this.#queues.values()].filter((queue) => queue.exchange === message.exchange && queue.key === message.key);
      if (takers.length === 0 && message.mandatory) {
        done(new Unreachable(`nobody listens to ${message.key}`, { key: message.key }));
        return;
      }
      let refused = false;
      for (const queue of takers) {
        for (let copies = this.#copies(); copies > 0; copies--) refused = !this.#put(queue, { ...message, userId }) || refused;
      }
      if (refused) done(new Busy(`the queue of ${message.key} is full`, { key: message.key }));
      else done();
    });
  }

  /** @internal */
  addDeadLetter(letter: DeadLetter): void {
    this.deadLetters.push(letter);
    if (this.deadLetters.length > MAX_DEAD_LETTERS) this.deadLetters.shift();
  }

  #copies(): number {
    const { lose = 0, double = 0 } = this.faults;
    if (lose > 0 && this.#environment.random.next() < lose) return 0;
    return double > 0 && this.#environment.random.next() < double ? 2 : 1;
  }

  /** False when the queue is full. */
  #put(queue: MemoryQueue, message: Omit<StoredMessage, 'arrivedAt' | 'redelivered'>): boolean {
    const { delayMs = 0 } = this.faults;
    if (delayMs === 0) return queue.put(message);
    this.#environment.clock.after(this.#environment.random.next() * delayMs, () => queue.put(message));
    return true;
  }

  /** In order, after the current code, and with a breath for the event loop now and then. */
  #soon(act: () => void): void {
    this.#turn.push(act);
    if (this.#pumping) return;
    this.#pumping = true;
    queueMicrotask(() => this.#pump());
  }

  #pump(): void {
    for (let done = 0; done < BURST; done++) {
      const act = this.#turn.shift();
      if (act === undefined) {
        this.#pumping = false;
        return;
      }
      act();
    }
    if (this.#turn.length === 0) this.#pumping = false;
    else this.#environment.clock.after(0, () => this.#pump());
  }
}

const definedParts = ({ clock, random, log, metrics, interceptors }: Partial<Environment>): Partial<Environment> => ({
  ...(clock === undefined ? {} : { clock }),
  ...(random === undefined ? {} : { random }),
  ...(log === undefined ? {} : { log }),
  ...(metrics === undefined ? {} : { metrics }),
  ...(interceptors === undefined ? {} : { interceptors }),
});
