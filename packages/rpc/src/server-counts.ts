import type { Contract } from './contract.ts';
import type { RpcCounter, RpcLabels, RpcMetrics } from './environment.ts';

/** Counts what becomes of the requests of one contract. Labels are made once per method: they go with every request. */
export class ServerCounts {
  readonly #metrics: RpcMetrics;
  readonly #contract: Contract;
  readonly #labels = new Map<string, RpcLabels>();

  constructor(metrics: RpcMetrics, contract: Contract) {
    this.#metrics = metrics;
    this.#contract = contract;
  }

  /** `method` as a sender named it; `code` is that of an error. */
  count(counter: RpcCounter, method: string | undefined, code?: string): void {
    const labels = this.#labelsOf(method);
    this.#metrics.count(counter, code === undefined ? labels : { ...labels, code });
  }

  handled(method: string, ms: number): void {
    this.#metrics.duration('handle', ms, this.#labelsOf(method));
  }

  /** A method that is not ours is not a label: senders could make any number of them. */
  #labelsOf(method: string | undefined): RpcLabels {
    const known = method !== undefined && Object.hasOwn(this.#contract.methods, method) ? method : 'unknown';
    let labels = this.#labels.get(known);
    if (labels === undefined) this.#labels.set(known, (labels = { topic: this.#contract.topic, method: known }));
    return labels;
  }
}
