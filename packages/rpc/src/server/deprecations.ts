import type { Context } from '../context.ts';
import type { Logger } from '../environment.ts';

/** Warns of the use of methods that are on their way out, once per method and account. */
export class Deprecations {
  readonly #log: Logger;
  readonly #topic: string;
  readonly #limit: number;
  readonly #warned = new Set<string>();

  /** @param limit pairs of method and account that are told apart; above, there are no more warnings. */
  constructor(log: Logger, topic: string, limit: number) {
    this.#log = log;
    this.#topic = topic;
    this.#limit = limit;
  }

  /** `deprecated`: as the contract says it. */
  note({ namespace, method, caller, version, requestId }: Context, deprecated: string): void {
    const pair = JSON.stringify([namespace, method, caller]);
    if (this.#warned.size >= this.#limit || this.#warned.has(pair)) return;
    this.#warned.add(pair);
    this.#log.warn({ topic: this.#topic, namespace, method, caller, version, requestId, deprecated }, 'a deprecated method is in use');
  }
}
