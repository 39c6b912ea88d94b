import type { Clock } from '../environment.ts';
import type { Delivery } from '../transport.ts';

export interface StoredMessage {
  readonly body: Buffer;
  readonly correlationId?: string;
  readonly replyTo?: string;
  readonly expirationMs?: number;
  readonly userId: string;
  readonly arrivedAt: number;
  readonly redelivered: boolean;
}

export interface MemoryConsumer {
  readonly prefetch: number;
  readonly take: (delivery: Delivery) => void;
  readonly unacked: Set<StoredMessage>;
  readonly lost: AbortController;
  paused: boolean;
}

/** As the broker's queues: what comes above is refused. */
const MAX_LENGTH = 100_000;

/** How a queue treats its consumers. `single`: one at a time, the next when it leaves; kept as long as there are messages. */
export type Sharing = 'competing' | 'single';

/** A queue with competing consumers, prefetch, expiry and redelivery; gone with its last consumer. */
export class MemoryQueue {
  readonly exchange: string;
  readonly key: string;
  readonly #sharing: Sharing;
  readonly #clock: Clock;
  readonly #soon: (act: () => void) => void;
  readonly #gone: () => void;
  readonly #consumers: MemoryConsumer[] = [];
  #messages: StoredMessage[] = [];
  #next = 0;
  #planned = false;

  constructor(
    { exchange, key, sharing }: { readonly exchange: string; readonly key: string; readonly sharing: Sharing },
    clock: Clock,
    soon: (act: () => void) => void,
    gone: () => void,
  ) {
    this.exchange = exchange;
    this.key = key;
    this.#sharing = sharing;
    this.#clock = clock;
    this.#soon = soon;
    this.#gone = gone;
  }

  /** Whether it gets what is sent there. One that is kept without a consumer gets nothing new, as nobody listens. */
  matches(exchange: string, key: string): boolean {
    return this.exchange === exchange && this.key === key && this.#consumers.length > 0;
  }

  /** Messages that nobody has in hand. */
  get length(): number {
    return this.#messages.length;
  }

  takeOldest(): StoredMessage | undefined {
    return this.#messages.shift();
  }

  /** False when full. */
  put(message: Omit<StoredMessage, 'arrivedAt' | 'redelivered'>): boolean {
    if (this.#messages.length >= MAX_LENGTH) return false;
    this.#messages.push({ ...message, arrivedAt: this.#clock.monotonic(), redelivered: false });
    this.#plan();
    return true;
  }

  consume(prefetch: number, take: (delivery: Delivery) => void): MemoryConsumer {
    const consumer: MemoryConsumer = { prefetch, take, unacked: new Set(), lost: new AbortController(), paused: false };
    this.#consumers.push(consumer);
    this.#plan();
    return consumer;
  }

  /** No more messages; those in hand stay with the consumer. */
  pause(consumer: MemoryConsumer): void {
    consumer.paused = true;
    const index = this.#consumers.indexOf(consumer);
    if (index < 0) return;
    this.#consumers.splice(index, 1);
    this.#leaveIfUnused();
  }

  /** The consumer is gone: what it had in hand goes to others. */
  drop(consumer: MemoryConsumer): void {
    const left = [...consumer.unacked];
    consumer.unacked.clear();
    this.#messages.unshift(...left.map((message) => ({ ...message, redelivered: true })));
    this.pause(consumer);
    consumer.lost.abort();
    this.#plan();
  }

  #leaveIfUnused(): void {
    if (this.#consumers.length === 0 && (this.#sharing === 'competing' || this.#messages.length === 0)) this.#gone();
  }

  #plan(): void {
    if (this.#planned) return;
    this.#planned = true;
    this.#soon(() => {
      this.#planned = false;
      this.#deliver();
    });
  }

  #deliver(): void {
    while (this.#messages.length > 0) {
      const consumer = this.#choose();
      if (consumer === undefined) return;
      const message = this.#messages.shift() as StoredMessage;
      if (message.expirationMs !== undefined && this.#clock.monotonic() - message.arrivedAt > message.expirationMs) continue;
      consumer.unacked.add(message);
      consumer.take(this.#delivery(consumer, message));
    }
  }

  /** In turn, passing over those with their hands full. */
  #choose(): MemoryConsumer | undefined {
    if (this.#sharing === 'single') {
      const [first] = this.#consumers;
      return first !== undefined && first.unacked.size < first.prefetch ? first : undefined;
    }
    for (let tried = 0; tried < this.#consumers.length; tried++) {
      const consumer = this.#consumers[this.#next++ % this.#consumers.length] as MemoryConsumer;
      if (consumer.unacked.size < consumer.prefetch) return consumer;
    }
    return undefined;
  }

  #delivery(consumer: MemoryConsumer, message: StoredMessage): Delivery {
    return {
      body: message.body,
      correlationId: message.correlationId,
      replyTo: message.replyTo,
      userId: message.userId,
      redelivered: message.redelivered,
      lost: consumer.lost.signal,
      ack: () => {
        if (consumer.unacked.delete(message)) this.#plan();
      },
      requeue: () => {
        if (!consumer.unacked.delete(message)) return;
        this.#messages.unshift({ ...message, redelivered: true });
        this.#plan();
      },
    };
  }
}
