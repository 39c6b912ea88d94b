import { Gauge, Histogram, type Registry } from 'prom-client';
import type { Route } from '../routes/route.ts';

/** How long requests took, by route and status; routes are known in advance, so that the labels are bounded. */
export class RequestMetrics {
  readonly #registry: Registry;
  readonly #seconds: Histogram<'method' | 'route' | 'status'>;

  constructor(registry: Registry) {
    this.#registry = registry;
    this.#seconds = new Histogram({
      name: 'kilonova_api_request_seconds',
      help: 'Time from the headers of a request to its answer.',
      labelNames: ['method', 'route', 'status'],
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
      registers: [registry],
    });
  }

  /** What is in work, and may be. */
  observe(inWork: () => number, limit: number): void {
    const registers = [this.#registry];
    const now: Gauge = new Gauge({
      ...{ name: 'kilonova_api_requests_in_work', help: 'Requests that are not answered yet.', registers },
      collect: () => now.set(inWork()),
    });
    new Gauge({ name: 'kilonova_api_requests_in_work_limit', help: 'Requests above it are answered with 503.', registers }).set(limit);
  }

  note(route: Pick<Route, 'method' | 'path' | 'action'> | undefined, status: number, durationMs: number): void {
    const name = route === undefined ? 'none' : `${route.path}${route.action === undefined ? '' : ` ${route.action}`}`;
    this.#seconds.observe({ method: route?.method ?? 'none', route: name, status: String(status) }, durationMs / 1_000);
  }
}
