import { metrics as globalMetrics, type Attributes, type Counter, type Histogram, type Meter } from '@opentelemetry/api';
import type { RpcCounter, RpcGauge, RpcLabels, RpcMetrics } from '../environment.ts';

/** Seconds, as OpenTelemetry's semantic conventions advise for calls. */
const BOUNDARIES = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/**
 * The figures of a transport on a meter of OpenTelemetry's API: `rpc.client.call.duration` and `rpc.server.call.duration`
 * in seconds (attributes by the semantic conventions), and a counter or an observable gauge `kilonova.rpc.<name>` for each
 * `RpcCounter` and `RpcGauge`, with its labels.
 *
 *     connectAmqp({ …, metrics: openTelemetryMetrics() })
 *
 * @param meter default: the global provider's, by the name of this package; it must be started before.
 */
export function openTelemetryMetrics(meter: Meter = globalMetrics.getMeter('@kilonova/rpc')): RpcMetrics {
  const histogram = (name: string, description: string) =>
    meter.createHistogram(name, { description, unit: 's', advice: { explicitBucketBoundaries: BOUNDARIES } });
  const durations: Readonly<Record<'call' | 'handle', Histogram>> = {
    call: histogram('rpc.client.call.duration', 'From sending a call to its answer.'),
    handle: histogram('rpc.server.call.duration', 'From the start of a handler to its end.'),
  };
  const counters = new Map<RpcCounter, Counter>();
  const gauges = new Map<RpcGauge, Sources>();
  /** Labels are made once per method. */
  const attributes = new WeakMap<RpcLabels, Attributes>();
  const conventional = (labels: RpcLabels): Attributes => {
    let made = attributes.get(labels);
    if (made === undefined) {
      made = { 'rpc.system.name': 'kilonova', 'rpc.method': `${labels['topic']}/${labels['method']}` };
      attributes.set(labels, made);
    }
    return made;
  };
  return {
    count(name, labels) {
      let counter = counters.get(name);
      if (counter === undefined) {
        counter = meter.createCounter(`kilonova.rpc.${name}`, { description: `RPC: ${name.replaceAll('_', ' ')}.` });
        counters.set(name, counter);
      }
      counter.add(1, labels);
    },
    duration: (name, ms, labels) => durations[name].record(ms / 1_000, conventional(labels)),
    observe(name, labels, read) {
      let sources = gauges.get(name);
      if (sources === undefined) {
        const made = new Sources();
        sources = made;
        gauges.set(name, made);
        const gauge = meter.createObservableGauge(`kilonova.rpc.${name}`, { description: `RPC: ${name.replaceAll('_', ' ')}.` });
        gauge.addCallback((result) => {
          for (const [of, value] of made.sums()) result.observe(value, of);
        });
      }
      return sources.add(labels, read);
    },
  };
}

/** Where the figure of one gauge comes from. */
class Sources {
  readonly #all = new Set<{ readonly labels: RpcLabels; readonly read: () => number }>();
  /** A set of labels that a meter was told of keeps its last value there: it is told 0 when its sources are gone. */
  readonly #known = new Map<string, RpcLabels>();

  add(labels: RpcLabels, read: () => number): () => void {
    const source = { labels, read };
    this.#all.add(source);
    this.#known.set(JSON.stringify(labels), labels);
    return () => this.#all.delete(source);
  }

  /** One value per set of labels: of several a meter would take the last. */
  sums(): Iterable<readonly [RpcLabels, number]> {
    const sums = new Map([...this.#known].map(([key, labels]) => [key, [labels, 0] as readonly [RpcLabels, number]]));
    for (const { labels, read } of this.#all) {
      const key = JSON.stringify(labels);
      sums.set(key, [labels, (sums.get(key)?.[1] ?? 0) + read()]);
    }
    return sums.values();
  }
}
