import { rowsOf } from '../rows.ts';
import { invariant, type Violation } from './invariant.ts';

interface StrayedHost extends Violation {
  readonly host: string;
}

const SUMS = `select coalesce(sum(a.vcpus), 0) as vcpus, coalesce(sum(a.memory_mb), 0) as memory_mb, coalesce(sum(a.disk_gb), 0) as disk_gb,
  count(*) as instances from allocations a where a.host = h.host`;

export const hostUsage = invariant<StrayedHost>({
  name: 'host_usage',
  holds: 'What is used of a host equals the sum of the allocations on it.',
  async find(knex, { limit }) {
    return rowsOf<StrayedHost>(
      knex,
      `select h.host, 'hosts ' || h.host as subject,
         format('kept %s of vCPUs, MiB, GiB and instances, allocated %s',
           jsonb_build_array(h.vcpus_used, h.memory_mb_used, h.disk_gb_used, h.instances),
           jsonb_build_array(s.vcpus, s.memory_mb, s.disk_gb, s.instances)) as detail
       from hosts h left join (
         select host, sum(vcpus) as vcpus, sum(memory_mb) as memory_mb, sum(disk_gb) as disk_gb, count(*) as instances from allocations group by 1
       ) a using (host)
       cross join lateral (select coalesce(a.vcpus, 0)::bigint as vcpus, coalesce(a.memory_mb, 0)::bigint as memory_mb,
         coalesce(a.disk_gb, 0)::bigint as disk_gb, coalesce(a.instances, 0) as instances) s
       where (h.vcpus_used, h.memory_mb_used, h.disk_gb_used, h.instances) is distinct from (s.vcpus, s.memory_mb, s.disk_gb, s.instances)
       order by h.host limit :limit`,
      { limit },
    );
  },
  async repair(trx, { host }) {
    await trx.raw('select 1 from hosts where host = ? for no key update', [host]);
    await trx.raw(
      `update hosts h set vcpus_used = s.vcpus, memory_mb_used = s.memory_mb, disk_gb_used = s.disk_gb, instances = s.instances,
         vcpus_limit = greatest(h.vcpus_limit, s.vcpus), memory_mb_limit = greatest(h.memory_mb_limit, s.memory_mb),
         disk_gb_limit = greatest(h.disk_gb_limit, s.disk_gb), revision = h.revision + 1, updated_at = kilonova_now()
       from lateral (${SUMS.replaceAll('h.host', 'cast(:host as text)')}) s where h.host = :host`,
      { host },
    );
    return { hosts: [host] };
  },
});
