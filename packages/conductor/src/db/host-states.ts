import { HostState, type HostDigest } from '@kilonova/objects';
import type { Knex } from 'knex';
import { rowsOf } from './rows.ts';
import { zoneOf } from './zones.ts';

const SELECT = `
  select h.host, h.node, h.cell, h.revision, ${zoneOf('h.host')} as "availabilityZone",
    coalesce(s.disabled, false) = false as enabled, h.up,
    h.vcpus, h.memory_mb as "memoryMb", h.disk_gb as "diskGb",
    h.reserved_vcpus as "reservedVcpus", h.reserved_memory_mb as "reservedMemoryMb", h.reserved_disk_gb as "reservedDiskGb",
    h.cpu_ratio as "cpuRatio", h.memory_ratio as "memoryRatio", h.disk_ratio as "diskRatio",
    h.vcpus_used as "vcpusUsed", h.memory_mb_used as "memoryMbUsed", h.disk_gb_used as "diskGbUsed",
    h.instances, h.io_ops as "ioOps", h.failed_builds as "failedBuilds",
    h.hypervisor_type as "hypervisorType", h.hypervisor_version as "hypervisorVersion",
    h.supported_instances as "supportedInstances", h.capabilities,
    coalesce((
      select jsonb_agg(jsonb_build_object('id', a.id, 'name', a.name, 'metadata', a.metadata
        || case when a.availability_zone is null then '{}' else jsonb_build_object('availability_zone', a.availability_zone) end) order by a.id)
      from aggregate_hosts ah join aggregates a on a.id = ah.aggregate_id where ah.host = h.host
    ), '[]') as aggregates
  from hosts h left join services s on s.host = h.host and s."binary" = 'nova-compute'`;

const asState = (row: object): HostState => Object.assign(new HostState(), row);

/** The absolute state of these hosts, as schedulers keep it; one that is gone is missing. */
export async function hostStates(knex: Knex, hosts: readonly string[], defaultZone: string): Promise<HostState[]> {
  const rows = await rowsOf<object>(knex, `${SELECT} where h.host = any (cast(:hosts as text[])) order by h.host`, { hosts, defaultZone });
  return rows.map(asState);
}

/** Every host, by name; `after` is the last one of the page before. */
export async function hostStatesPage(knex: Knex, after: string, rows: number, defaultZone: string): Promise<HostState[]> {
  const page = await rowsOf<object>(knex, `${SELECT} where h.host > :after order by h.host limit :rows`, { after, rows, defaultZone });
  return page.map(asState);
}

export async function hostDigest(knex: Knex): Promise<Pick<HostDigest, 'hosts' | 'revisions'>> {
  const rows = await rowsOf<{ hosts: number; revisions: number }>(
    knex,
    'select count(*) as hosts, coalesce(sum(revision), 0)::bigint as revisions from hosts',
  );
  return rows[0]!;
}
