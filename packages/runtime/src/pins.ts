import { Gauge } from 'prom-client';
import type { Surroundings } from './service.ts';

/** Tells where a pin stands: a line in the log for every move, and the metric `kilonova_pin_minor{peer}`. */
export function tellPin({ log, metrics }: Pick<Surroundings, 'log' | 'metrics'>, peer: string): (from: string, to: string) => void {
  const name = 'kilonova_pin_minor';
  const gauge =
    (metrics.getSingleMetric(name) as Gauge<'peer'> | undefined) ??
    new Gauge({ name, help: 'Minor of the wire version spoken to peers of a kind.', labelNames: ['peer'], registers: [metrics] });
  gauge.set({ peer }, 0); // where every pin begins
  return (from, to) => {
    gauge.set({ peer }, Number(to.split('.')[1]));
    log.info({ peer, from, to }, 'pin moved');
  };
}
