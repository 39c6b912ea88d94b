import type { Bench } from '../measure/bench.ts';
import { measureRest, readCounts } from '../measure/counters.ts';

export interface LifecycleCounts {
  /** @param lists how many lists of servers the waiting took since the start: what they cost is taken off */
  perServer(servers: number, lists: number): Promise<Readonly<Record<string, number>>>;
}

/**
 * SQL statements and messages of the control plane per server, from now on until they are asked for; none without
 * addresses of metrics. What it does at rest and what the waiting costs is taken off.
 *
 * @param list asks for one list of servers, as the waiting does
 */
export async function lifecycleCounts({ metricsUrls, clock }: Bench, list: () => Promise<unknown>): Promise<LifecycleCounts> {
  if (metricsUrls.length === 0) return { perServer: async () => ({}) };
  const rest = await measureRest(metricsUrls, clock, list);
  const before = await readCounts(metricsUrls);
  const began = clock.monotonic();
  return {
    async perServer(servers, lists) {
      const seconds = (clock.monotonic() - began) / 1_000;
      const after = await readCounts(metricsUrls);
      const statements = after.statements - before.statements - rest.statementsPerS * seconds - rest.statementsPerList * lists;
      return {
        statements_per_lifecycle: Math.max(0, statements) / Math.max(1, servers),
        messages_per_lifecycle: (after.messages - before.messages) / Math.max(1, servers),
        statements_per_s_at_rest: rest.statementsPerS,
        statements_per_list: rest.statementsPerList,
      };
    },
  };
}
