import type { Contract, Method } from '../contract/contract.ts';
import { partitionOf, routeWord, type Lane } from '../contract/lane.ts';
import { addressKeys } from './wire.ts';

/** Where one message goes. */
export interface Target {
  readonly key: string;
  /** Of a message that keeps its order. */
  readonly orderKey: string | undefined;
}

/** The longest text by which messages may be ordered; it travels with each and is kept while one is handled. */
const MAX_ORDER_KEY = 256;

/** Where the messages of a contract go, by their methods. */
export class Addressing {
  readonly #contract: Contract;
  readonly #normal: string;
  readonly #control: string;
  readonly #toAny: Target;
  readonly #toAnyControl: Target;
  readonly #toAll: Target;

  constructor(contract: Contract) {
    const { topic } = contract;
    this.#contract = contract;
    this.#normal = this.#word(undefined);
    this.#control = this.#word('control');
    this.#toAny = { key: addressKeys.topic(this.#normal), orderKey: undefined };
    this.#toAnyControl = { key: addressKeys.topic(this.#control), orderKey: undefined };
    this.#toAll = { key: addressKeys.fanout(topic), orderKey: undefined };
  }

  /** @throws TypeError when `orderedBy` gives something else than a text of at most 256 characters */
  of(name: string, method: Method, request: object, server: string | undefined): Target {
    if (method.kind === 'fanout') return this.#toAll;
    const directed = method.kind !== 'stream';
    if (directed && method.orderedBy !== undefined) return this.#ordered(name, method.orderedBy(request), server);
    const control = directed && method.priority === 'control';
    if (server === undefined) return control ? this.#toAnyControl : this.#toAny;
    return { key: addressKeys.server(control ? this.#control : this.#normal, server), orderKey: undefined };
  }

  #ordered(name: string, orderKey: unknown, server: string | undefined): Target {
    const { topic, delivery } = this.#contract;
    if (typeof orderKey !== 'string' || orderKey.length > MAX_ORDER_KEY)
      throw new TypeError(`${topic}.${name}: orderedBy: expected a text of at most ${MAX_ORDER_KEY} characters`);
    if (server !== undefined) return { key: addressKeys.server(this.#normal, server), orderKey };
    return { key: addressKeys.topic(this.#word(`ordered-${partitionOf(orderKey, delivery.partitions)}`)), orderKey };
  }

  #word(lane: Lane | undefined): string {
    return routeWord({ topic: this.#contract.topic, queues: this.#contract.delivery.queues, lane });
  }
}
