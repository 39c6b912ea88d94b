import type { Knex } from 'knex';
import { changedBy } from './rows.ts';

/** How much longer tasks that stand at a step wait for the report of a host that fell silent. */
export interface Patience {
  readonly kind: string;
  readonly version: number;
  readonly step: number;
  /** Milliseconds. */
  readonly downMs: number;
}

/**
 * Reports of hosts that are down are overdue soon: of silent hosts at the steps that are named, of those that an operator
 * forced down at all. At most `batch` tasks at a time, whoever owns them.
 *
 * @returns how many of them were not before
 */
export const hurry = (
  knex: Knex,
  { patience, forcedDownMs, batch }: { readonly patience: readonly Patience[]; readonly forcedDownMs: number; readonly batch: number },
): Promise<number> =>
  changedBy(
    knex,
    `with late as materialized (
       select t.id, t.step, least(p."downMs", case when s.forced_down then cast(:forcedDownMs as float8) end) * interval '1 millisecond' as wait
       from tasks t
       join hosts h on h.host = t.awaits_host and not h.up
       left join services s on s.host = h.host and s."binary" = 'nova-compute'
       left join jsonb_to_recordset(cast(:patience as jsonb)) as p (kind text, version integer, step integer, "downMs" float8)
         on p.kind = t.kind and p.version = t.version and p.step = t.step
       where t.state = 'parked'),
     chosen as materialized (
       select t.id, late.wait from tasks t join late on late.id = t.id and late.step = t.step
       where t.state = 'parked' and t.report_by > kilonova_now() + late.wait
       order by t.id limit :batch for update of t skip locked)
     update tasks t set report_by = kilonova_now() + chosen.wait, wake_at = least(t.wake_at, kilonova_now() + chosen.wait)
     from chosen where t.id = chosen.id`,
    { patience: JSON.stringify(patience), forcedDownMs, batch },
  );
