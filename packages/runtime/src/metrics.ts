import { collectDefaultMetrics, Registry } from 'prom-client';

export interface MetricsOptions {
  /** Besides `service`, on every metric: `{ host: 'host-1' }`. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Memory, event loop and the like of this process; wanted once per process. */
  readonly ofProcess?: boolean;
}

/** A registry of its own; every metric carries the label `service`. */
export function createMetrics(service: string, { labels = {}, ofProcess = true }: MetricsOptions = {}): Registry {
  const metrics = new Registry();
  metrics.setDefaultLabels({ service, ...labels });
  if (ofProcess) collectDefaultMetrics({ register: metrics });
  return metrics;
}

/** Several registries as one text in Prometheus' format. Two agents in one process have the same metrics with different labels. */
export const renderMetrics = async (registries: readonly Registry[]): Promise<string> =>
  joinMetrics(await Promise.all(registries.map((registry) => registry.metrics())));

/** Several texts in Prometheus' format as one, in which a metric may be described only once. */
export function joinMetrics(texts: readonly string[]): string {
  const families = new Map<string, string[]>();
  for (const text of texts) {
    let lines: string[] = [];
    let repeated = false;
    for (const line of text.split('\n')) {
      if (line.startsWith('# HELP ')) {
        const name = line.split(' ')[2] ?? '';
        repeated = families.has(name);
        lines = families.get(name) ?? [];
        families.set(name, lines);
      }
      if (line !== '' && !(repeated && line.startsWith('#'))) lines.push(line);
    }
  }
  return [...families.values()].map((lines) => `${lines.join('\n')}\n`).join('\n');
}
