import type { Surroundings } from '@kilonova/runtime';
import { Histogram } from 'prom-client';

const NAME = 'kilonova_standalone_request_seconds';
type Label = 'server' | 'method' | 'route' | 'status';

/** One histogram for both services: in `kilonova up` they share a registry. */
export const requestTimes = (metrics: Surroundings['metrics']): Histogram<Label> =>
  (metrics.getSingleMetric(NAME) as Histogram<Label> | undefined) ??
  new Histogram<Label>({
    name: NAME,
    help: 'Time to answer a request of the built-in identity and image services.',
    labelNames: ['server', 'method', 'route', 'status'],
    buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10],
    registers: [metrics],
  });
