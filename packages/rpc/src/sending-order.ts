import type { Transport } from './transport.ts';
import { whenWritable } from './waiting.ts';

const tables = new WeakMap<Transport, SendingOrder>();

/** Lets messages of one routing key leave in the order in which they were given, also those that had to wait for a connection. */
export class SendingOrder {
  readonly #transport: Transport;
  readonly #last = new Map<string, Promise<void>>();

  static of(transport: Transport): SendingOrder {
    let table = tables.get(transport);
    if (table === undefined) tables.set(transport, (table = new SendingOrder(transport)));
    return table;
  }

  private constructor(transport: Transport) {
    this.#transport = transport;
  }

  /**
   * Settles when it is the message's turn; whoever waits for it must hand it over in the very next step. How many wait is
   * bounded by `maxUnconfirmed`.
   *
   * @throws as `whenWritable`; those behind go on.
   */
  turn(key: string, ms: number, signal: AbortSignal | undefined): Promise<void> {
    const before = this.#last.get(key);
    const own = before === undefined ? this.#writable(ms, signal) : before.then(nothing, nothing).then(() => this.#writable(ms, signal));
    this.#last.set(key, own);
    const forget = () => {
      if (this.#last.get(key) === own) this.#last.delete(key);
    };
    own.then(forget, forget);
    return own;
  }

  #writable(ms: number, signal: AbortSignal | undefined): Promise<void> {
    return whenWritable(this.#transport, ms, signal);
  }
}

const nothing = () => undefined;
