import { collectDefaultMetrics, Registry } from 'prom-client';

/** A registry of its own with the process's default metrics; every metric carries the label `service`. */
export function createMetrics(service: string): Registry {
  const metrics = new Registry();
  metrics.setDefaultLabels({ service });
  collectDefaultMetrics({ register: metrics });
  return metrics;
}
