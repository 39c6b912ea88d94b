import type { Environment } from '../environment.ts';
import { ConnectionLost, Unreachable, type RpcError } from '../errors.ts';
import { Gauges } from '../telemetry/gauges.ts';
import type { Address, Correspondent, Delivery, Listener, OutgoingMessage, Transport, TransportLimits } from '../transport.ts';
import { closedError } from '../waiting.ts';
import { addressKeys } from '../wire/wire.ts';
import type { InProcessBroker } from './broker.ts';
import type { MemoryConsumer, MemoryQueue } from './queue.ts';

interface Taking {
  readonly address: Address | 'reply';
  readonly prefetch: number;
  readonly take: (delivery: Delivery) => void;
  /** What it takes from; undefined while there is no connection. */
  from: { readonly queue: MemoryQueue; readonly consumer: MemoryConsumer } | undefined;
  /** Only what is in hand; not taken up again by a reconnect. */
  paused: boolean;
}

/** A process's way to the in-process broker, and what may happen to it. */
export interface InProcessConnection extends Transport {
  /** Breaks the connection, as a broker that went away would. */
  cut(reason?: string): void;
  /** What `returnWithin` was told last. */
  readonly returnMs: number;
  /** The connection is back, with everything that was on it. */
  restore(): void;
  /** Takes no messages any more, as a broker with an alarm of memory or disk: senders wait `connectWaitMs`, then fail as Busy. */
  block(reason?: string): void;
  /** Takes messages again. */
  unblock(): void;
}

export class InProcessTransport implements InProcessConnection {
  readonly service: string;
  readonly id: string;
  readonly steward = false;
  readonly environment: Environment;
  readonly limits: TransportLimits;
  readonly replyKey: string;
  returnMs = 0;
  readonly #broker: InProcessBroker;
  readonly #user: string;
  readonly #listeners = new Set<(connected: boolean, reason?: string) => void>();
  readonly #takings = new Set<Taking>();
  /** Told when the connection breaks before the broker spoke. */
  readonly #unconfirmed = new Set<(error: RpcError) => void>();
  readonly #unblocked = new Set<() => void>();
  #blocked: string | undefined;
  #connected = true;
  readonly #end = new AbortController();
  #correspondent: Correspondent | undefined;

  constructor(
    broker: InProcessBroker,
    given: { service: string; id: string; user: string; limits: TransportLimits; environment: Environment },
  ) {
    this.#broker = broker;
    this.service = given.service;
    this.id = given.id;
    this.#user = given.user;
    this.limits = given.limits;
    this.environment = given.environment;
    this.replyKey = addressKeys.reply(given.service, given.id);
    Gauges.of(this).add('connected', {}, () => Number(this.#connected));
    Gauges.of(this).add('blocked', {}, () => Number(this.#blocked !== undefined));
    this.#begin('reply', Number.POSITIVE_INFINITY, (delivery) => {
      delivery.ack();
      this.#correspondent?.onReply(delivery);
    });
  }

  get closed(): AbortSignal {
    return this.#end.signal;
  }

  get connected(): boolean {
    return this.#connected;
  }

  onChange(listener: (connected: boolean, reason?: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  get blocked(): string | undefined {
    return this.#blocked;
  }

  onUnblocked(listener: () => void): () => void {
    this.#unblocked.add(listener);
    return () => this.#unblocked.delete(listener);
  }

  attach(correspondent: Correspondent): void {
    this.#correspondent = correspondent;
  }

  send(message: OutgoingMessage): boolean {
    if (!this.#connected) return false;
    this.#broker.publish(message, this.#user, (error) => {
      if (error instanceof Unreachable) this.#correspondent?.onReturned(message.exchange, message.correlationId);
    });
    return true;
  }

  sendConfirmed(message: OutgoingMessage): Promise<void> {
    if (!this.#connected) return Promise.reject(new Unreachable('not connected to the broker'));
    return new Promise((resolve, reject) => {
      this.#unconfirmed.add(reject);
      this.#broker.publish(message, this.#user, (error) => {
        this.#unconfirmed.delete(reject);
        if (error === undefined) resolve();
        else reject(error);
      });
    });
  }

  async listen(address: Address, prefetch: number, take: (delivery: Delivery) => void): Promise<Listener> {
    if (this.#end.signal.aborted) throw closedError();
    const taking = this.#begin(address, prefetch, take);
    return {
      pause: async () => {
        taking.paused = true;
        taking.from?.queue.pause(taking.from.consumer);
      },
      close: async () => {
        this.#takings.delete(taking);
        lose(taking);
      },
    };
  }

  deadLetter(delivery: Delivery, topic: string, reason: string): void {
    this.#broker.addDeadLetter({ body: delivery.body, topic, reason, userId: delivery.userId });
    delivery.ack();
  }

  /** Nothing is dialled: whoever cut it mends it. */
  returnWithin(ms: number): void {
    this.returnMs = ms;
  }

  async renew(): Promise<void> {
    // there is nothing that could have been rotated
  }

  async close(): Promise<void> {
    if (this.#end.signal.aborted) return;
    this.#end.abort(closedError());
    this.cut('closed');
    this.#takings.clear();
  }

  block(reason = 'low on memory'): void {
    this.#blocked = reason;
  }

  unblock(): void {
    this.#blocked = undefined;
    for (const listener of [...this.#unblocked]) listener();
  }

  cut(reason = 'connection cut'): void {
    if (!this.#connected) return;
    this.#connected = false;
    for (const taking of this.#takings) lose(taking);
    for (const reject of [...this.#unconfirmed]) reject(new ConnectionLost(`${reason}; the outcome is unknown`));
    for (const listener of [...this.#listeners]) listener(false, reason);
  }

  restore(): void {
    if (this.#connected || this.#end.signal.aborted) return;
    for (const taking of this.#takings) if (!taking.paused) this.#open(taking);
    this.#connected = true;
    for (const listener of [...this.#listeners]) listener(true);
  }

  /** While there is no connection the next one brings it. */
  #begin(address: Address | 'reply', prefetch: number, take: (delivery: Delivery) => void): Taking {
    const taking: Taking = { address, prefetch, take, from: undefined, paused: false };
    this.#takings.add(taking);
    if (this.#connected) this.#open(taking);
    return taking;
  }

  #open(taking: Taking): void {
    const queue = this.#broker.queue(taking.address, this.service, this.id);
    taking.from = { queue, consumer: queue.consume(taking.prefetch, taking.take) };
  }
}

/** What it had in hand goes to others. */
function lose(taking: Taking): void {
  taking.from?.queue.drop(taking.from.consumer);
  taking.from = undefined;
}
