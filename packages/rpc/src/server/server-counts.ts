import { methodLabel, type Contract } from '../contract/contract.ts';
import type { RpcCounter, RpcLabels, RpcMetrics } from '../environment.ts';
import type { RequestEnvelope } from '../wire/wire.ts';

type Named = Pick<RequestEnvelope, 'namespace' | 'method'>;

/** Counts what becomes of the requests of one topic. Labels are made once per method: they go with every request. */
export class ServerCounts {
  readonly #metrics: RpcMetrics;
  readonly #labels = new Map<string, RpcLabels>();
  /** A method that is not ours is not a label: senders could make any number of them. */
  readonly #unknown: RpcLabels;

  constructor(metrics: RpcMetrics, topic: string, contracts: readonly Contract[]) {
    this.#metrics = metrics;
    this.#unknown = { topic, method: 'unknown' };
    for (const { namespace, methods } of contracts) {
      for (const name of Object.keys(methods)) {
        const method = methodLabel(namespace, name);
        this.#labels.set(method, { topic, method });
      }
    }
  }

  /** `request` as far as it could be read; `code` is that of an error. */
  count(counter: RpcCounter, request: Named | undefined, code?: string): void {
    const labels = this.#labelsOf(request);
    this.#metrics.count(counter, code === undefined ? labels : { ...labels, code });
  }

  handled(request: Named, ms: number): void {
    this.#metrics.duration('handle', ms, this.#labelsOf(request));
  }

  #labelsOf(request: Named | undefined): RpcLabels {
    if (request === undefined) return this.#unknown;
    return this.#labels.get(methodLabel(request.namespace, request.method)) ?? this.#unknown;
  }
}
