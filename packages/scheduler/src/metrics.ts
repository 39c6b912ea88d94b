import type { Clock, Surroundings } from '@kilonova/runtime';
import { Counter, Gauge, Histogram } from 'prom-client';
import type { Scheduler } from './scheduler.ts';
import type { Snapshot } from './snapshot/snapshot.ts';

/** The same scheduler, counted: requests, instances without a host by filter, time to decide, size of the snapshot. */
export function countScheduling(
  scheduler: Scheduler,
  snapshot: Snapshot,
  registry: Surroundings['metrics'],
  clock: Clock,
): Pick<Scheduler, 'select'> {
  const registers = [registry];
  const placed = new Counter({
    name: 'kilonova_scheduler_instances_total',
    help: 'Instances asked for, by result.',
    labelNames: ['result'],
    registers,
  });
  const refused = new Counter({
    name: 'kilonova_scheduler_refused_hosts_total',
    help: 'Hosts refused when an instance got none, by filter.',
    labelNames: ['filter'],
    registers,
  });
  const seconds = new Histogram({
    name: 'kilonova_scheduler_decision_seconds',
    help: 'Time to answer one request.',
    buckets: [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1],
    registers,
  });
  const known: Gauge = new Gauge({
    name: 'kilonova_scheduler_hosts',
    help: 'Hosts in the snapshot.',
    registers,
    collect: () => known.set(snapshot.hosts.size),
  });
  const loads: Gauge = new Gauge({
    name: 'kilonova_scheduler_snapshot_loads',
    help: 'How often the snapshot was read anew.',
    registers,
    collect: () => loads.set(snapshot.reloads),
  });
  const builds: Gauge = new Gauge({
    name: 'kilonova_scheduler_order_builds',
    help: 'How often all hosts were looked at to put those of a class of requests in order; grows with requests when max_kept_orders is too small.',
    registers,
    collect: () => builds.set(scheduler.orderBuilds),
  });
  return {
    select(request) {
      const started = clock.monotonic();
      const answer = scheduler.select(request);
      seconds.observe((clock.monotonic() - started) / 1_000);
      const unplaced = answer.selections.filter(({ hosts }) => hosts.length === 0).length;
      placed.inc({ result: 'host' }, answer.selections.length - unplaced);
      if (unplaced > 0) placed.inc({ result: 'none' }, unplaced);
      for (const { filter, hosts } of answer.refusals) refused.inc({ filter }, hosts);
      return answer;
    },
  };
}
