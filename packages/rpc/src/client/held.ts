import { Busy } from '../errors.ts';
import { Gauges } from '../telemetry/gauges.ts';
import type { Transport } from '../transport.ts';

const holders = new WeakMap<Transport, Held>();

/**
 * The requests of a process that are not over: calls until their answer, casts until the broker has them. They are kept
 * whole, since they may have to be sent again, so there is a limit to their bytes and to the number of casts. A fast
 * client of a slow server is told Busy there, instead of filling its memory.
 */
export class Held {
  readonly #transport: Transport;
  #bytes = 0;
  #unconfirmed = 0;

  static of(transport: Transport): Held {
    let held = holders.get(transport);
    if (held === undefined) holders.set(transport, (held = new Held(transport)));
    return held;
  }

  private constructor(transport: Transport) {
    this.#transport = transport;
    const gauges = Gauges.of(transport);
    gauges.add('unconfirmed', {}, () => this.#unconfirmed);
    gauges.add('held_bytes', {}, () => this.#bytes);
  }

  /** Every `take` is followed by one `give` of as many bytes. @throws Busy */
  take(bytes: number, what: string): void {
    const { maxHeldBytes } = this.#transport.limits;
    if (this.#bytes + bytes > maxHeldBytes)
      throw new Busy(`${what}: ${this.#bytes} bytes of requests are not over yet, the limit is ${maxHeldBytes} (maxHeldBytes)`, {
        limit: maxHeldBytes,
      });
    this.#bytes += bytes;
  }

  give(bytes: number): void {
    this.#bytes -= bytes;
  }

  /** As `take`, for a cast. @throws Busy */
  takeCast(bytes: number, what: string): void {
    const { maxUnconfirmed } = this.#transport.limits;
    if (this.#unconfirmed >= maxUnconfirmed)
      throw new Busy(`${what}: ${maxUnconfirmed} messages are not confirmed yet, the limit (maxUnconfirmed)`, { limit: maxUnconfirmed });
    this.take(bytes, what);
    this.#unconfirmed++;
  }

  giveCast(bytes: number): void {
    this.#unconfirmed--;
    this.give(bytes);
  }
}
