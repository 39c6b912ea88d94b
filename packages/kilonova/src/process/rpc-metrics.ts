import type { RpcCounter, RpcGauge, RpcLabels, RpcMetrics } from '@kilonova/rpc';
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

const labelNames = ['topic', 'method', 'code'] as const;

/** The figures of rpc in a Prometheus registry: `kilonova_rpc_calls_total{topic,method,code}`, `kilonova_rpc_unconfirmed` and the like. */
export function rpcMetrics(registry: Registry): RpcMetrics {
  const counters = new Map<RpcCounter, Counter>();
  const gauges = new Map<RpcGauge, Set<Source>>();
  const histogram = (name: string, help: string) =>
    new Histogram({
      name,
      help,
      labelNames,
      registers: [registry],
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
    });
  const durations = {
    call: histogram('kilonova_rpc_call_seconds', 'From sending a call to its answer.'),
    handle: histogram('kilonova_rpc_handle_seconds', 'From the start of a handler to its end.'),
  };
  // Callers keep the labels of a method, so that they are looked at once.
  const seen = new WeakMap<object, Partial<Record<string, string>>>();
  const known = (labels: Readonly<Record<string, string>>) => {
    let found = seen.get(labels);
    if (found === undefined)
      seen.set(
        labels,
        (found = Object.fromEntries(labelNames.flatMap((name) => (labels[name] === undefined ? [] : [[name, labels[name]]])))),
      );
    return found as Record<string, string>;
  };
  return {
    count(name, labels) {
      let counter = counters.get(name);
      if (counter === undefined) {
        counter = new Counter({
          name: `kilonova_rpc_${name}_total`,
          help: `RPC: ${name.replaceAll('_', ' ')}.`,
          labelNames,
          registers: [registry],
        });
        counters.set(name, counter);
      }
      counter.inc(known(labels));
    },
    duration: (name, ms, labels) => durations[name].observe(known(labels), ms / 1_000),
    observe(name, labels, read) {
      let sources = gauges.get(name);
      if (sources === undefined) gauges.set(name, (sources = gaugeOf(registry, name)));
      const source = { labels: known(labels), read };
      sources.add(source);
      return () => sources.delete(source);
    },
  };
}

interface Source {
  readonly labels: RpcLabels;
  readonly read: () => number;
}

/** A gauge that is the sum of its sources, per set of labels, whenever it is asked. */
function gaugeOf(registry: Registry, name: RpcGauge): Set<Source> {
  const sources = new Set<Source>();
  const gauge = new Gauge({
    name: `kilonova_rpc_${name}`,
    help: `RPC: ${name.replaceAll('_', ' ')}, now.`,
    labelNames,
    registers: [registry],
    collect() {
      gauge.reset();
      for (const { labels, read } of sources) gauge.inc({ ...labels }, read());
    },
  });
  return sources;
}
