import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

export interface EngineMetrics {
  readonly transactions: Counter;
  readonly batch: Histogram;
  readonly finished: Counter;
  readonly troubles: Counter;
  readonly adopted: Counter;
}

/** What one conductor has in hand, and may have. */
export function inHandMetrics(registry: Registry, read: () => number, limit: number): void {
  const inHand: Gauge = new Gauge({
    ...{ name: 'kilonova_tasks_in_hand', help: 'Tasks that this conductor works on, or that wait for it.', registers: [registry] },
    collect: () => inHand.set(read()),
  });
  new Gauge({ name: 'kilonova_tasks_in_hand_limit', help: 'Above it, tasks wait in the database.', registers: [registry] }).set(limit);
}

export const engineMetrics = (registry: Registry): EngineMetrics => {
  const registers = [registry];
  return {
    transactions: new Counter({ name: 'kilonova_task_transactions_total', help: 'Transactions that moved tasks.', registers }),
    batch: new Histogram({
      name: 'kilonova_task_batch_size',
      help: 'Tasks per transaction.',
      buckets: [1, 2, 5, 10, 20, 50, 100, 200],
      registers,
    }),
    finished: new Counter({
      name: 'kilonova_tasks_finished_total',
      help: 'Tasks that ended here.',
      labelNames: ['kind', 'state'],
      registers,
    }),
    troubles: new Counter({ name: 'kilonova_task_troubles_total', help: 'Steps that went wrong and were tried again.', registers }),
    adopted: new Counter({ name: 'kilonova_tasks_adopted_total', help: 'Tasks taken over from conductors that ended.', registers }),
  };
};
