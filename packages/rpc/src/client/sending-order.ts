import { Busy } from '../errors.ts';
import type { Transport } from '../transport.ts';
import { whenWritable } from '../waiting.ts';

const tables = new WeakMap<Transport, SendingOrder>();

/** Lets messages of one routing key leave in the order in which they were given, also those that had to wait for a connection. */
export class SendingOrder {
  readonly #transport: Transport;
  readonly #last = new Map<string, Promise<void>>();
  #waiting = 0;

  static of(transport: Transport): SendingOrder {
    let table = tables.get(transport);
    if (table === undefined) tables.set(transport, (table = new SendingOrder(transport)));
    return table;
  }

  private constructor(transport: Transport) {
    this.#transport = transport;
  }

  /**
   * Settles when it is the message's turn; whoever waits for it must hand it over in the very next step.
   *
   * @throws as `whenWritable`, after `ms` however many are before it; those behind go on. Busy when `maxCalls` wait already.
   */
  turn(key: string, ms: number, signal: AbortSignal | undefined): Promise<void> {
    const { clock } = this.#transport.environment;
    const { maxCalls } = this.#transport.limits;
    if (this.#waiting >= maxCalls)
      return Promise.reject(new Busy(`${key}: ${maxCalls} messages wait for their turn, the limit (maxCalls)`, { limit: maxCalls }));
    const endsAt = clock.monotonic() + ms;
    const writable = () => whenWritable(this.#transport, Math.max(0, endsAt - clock.monotonic()), signal);
    const before = this.#last.get(key);
    const own = before === undefined ? writable() : before.then(nothing, nothing).then(writable);
    this.#last.set(key, own);
    this.#waiting++;
    const forget = () => {
      this.#waiting--;
      if (this.#last.get(key) === own) this.#last.delete(key);
    };
    own.then(forget, forget);
    return own;
  }
}

const nothing = () => undefined;
