import type { RpcGauge, RpcLabels } from '../environment.ts';
import type { Transport } from '../transport.ts';

const tables = new WeakMap<object, Gauges>();

/** Figures of one transport that are asked for rather than counted. None outlives it. */
export class Gauges {
  readonly #transport: Pick<Transport, 'environment' | 'closed'>;
  readonly #ends = new Set<() => void>();

  static of(transport: Pick<Transport, 'environment' | 'closed'>): Gauges {
    let table = tables.get(transport);
    if (table === undefined) tables.set(transport, (table = new Gauges(transport)));
    return table;
  }

  private constructor(transport: Pick<Transport, 'environment' | 'closed'>) {
    this.#transport = transport;
    transport.closed.addEventListener(
      'abort',
      () => {
        for (const end of [...this.#ends]) end();
      },
      { once: true },
    );
  }

  /** Lets `read` be asked whenever somebody collects figures, until the returned function is called. */
  add(gauge: RpcGauge, labels: RpcLabels, read: () => number): () => void {
    const { closed, environment } = this.#transport;
    const forget = closed.aborted ? undefined : environment.metrics.observe?.(gauge, labels, read);
    if (forget === undefined) return () => undefined;
    const end = () => {
      if (this.#ends.delete(end)) forget();
    };
    this.#ends.add(end);
    return end;
  }
}
