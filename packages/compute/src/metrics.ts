import { Counter, Gauge, Histogram } from 'prom-client';
import type { Surroundings } from '@kilonova/runtime';

type Registry = Surroundings['metrics'];

/** Figures of all agents of a process: they share the process's registry. */
export interface AgentMetrics {
  readonly operations: Counter<'verb' | 'outcome'>;
  readonly operationSeconds: Histogram<'verb'>;
  /** Orders that were not taken. */
  readonly refused: Counter<'reason'>;
  readonly repeats: Counter<'verb'>;
  readonly unreported: Gauge<'host'>;
  readonly inHand: Gauge<'host'>;
  readonly abandoned: Gauge<'host'>;
}

export function agentMetrics(registry: Registry): AgentMetrics {
  const registers = [registry];
  const once = <M>(name: string, make: (name: string) => M): M => (registry.getSingleMetric(name) as M | undefined) ?? make(name);
  return {
    operations: once(
      'kilonova_compute_operations_total',
      (name) => new Counter({ name, help: 'Operations that ended.', labelNames: ['verb', 'outcome'], registers }),
    ),
    operationSeconds: once(
      'kilonova_compute_operation_seconds',
      (name) =>
        new Histogram({
          name,
          help: 'From acceptance to end.',
          labelNames: ['verb'],
          buckets: [0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300],
          registers,
        }),
    ),
    refused: once(
      'kilonova_compute_refused_total',
      (name) => new Counter({ name, help: 'Orders that were not taken.', labelNames: ['reason'], registers }),
    ),
    repeats: once(
      'kilonova_compute_repeats_total',
      (name) => new Counter({ name, help: 'Orders that were known already.', labelNames: ['verb'], registers }),
    ),
    unreported: once(
      'kilonova_compute_unreported',
      (name) => new Gauge({ name, help: 'Outcomes the conductor has not committed yet.', labelNames: ['host'], registers }),
    ),
    inHand: once(
      'kilonova_compute_operations_in_hand',
      (name) => new Gauge({ name, help: 'Operations that wait or run.', labelNames: ['host'], registers }),
    ),
    abandoned: once(
      'kilonova_compute_abandoned_calls',
      (name) => new Gauge({ name, help: 'Driver calls that did not end when aborted.', labelNames: ['host'], registers }),
    ),
  };
}
