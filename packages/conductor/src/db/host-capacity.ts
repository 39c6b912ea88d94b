import type { Knex } from 'knex';
import { rowsOf } from './rows.ts';

/** Ratios of hosts whose aggregates say nothing. */
export interface DefaultRatios {
  readonly cpuRatio: number;
  readonly memoryRatio: number;
  readonly diskRatio: number;
}

/** The smallest of the host's aggregates' values of a key, where they are positive numbers. */
const smallest = (key: string): string => `
  (select min(cast(a.metadata ->> '${key}' as double precision))
   from aggregate_hosts ah join aggregates a on a.id = ah.aggregate_id
   where ah.host = h.host and a.metadata ->> '${key}' ~ '^[0-9]{1,9}([.][0-9]{1,9}){0,1}$' and a.metadata ->> '${key}' ~ '[1-9]')`;

/** What a host's ratios shall be, of the row `h`; with the configuration's as named parameters. */
export const wantedRatios = {
  cpu: `coalesce(${smallest('cpu_allocation_ratio')}, :cpuRatio)`,
  memory: `coalesce(${smallest('ram_allocation_ratio')}, :memoryRatio)`,
  disk: `coalesce(${smallest('disk_allocation_ratio')}, :diskRatio)`,
} as const;

const limit = (resource: string, ratio: string): string =>
  `greatest(floor(greatest(hosts.${resource} - hosts.reserved_${resource}, 0) * ${ratio})::bigint, hosts.${resource}_used)`;

/**
 * To be called in every transaction that changed the inventory, the aggregates or the service of hosts: sets the ratios in
 * force (aggregate metadata over the configuration, the smallest of several), what may be claimed, and a new revision.
 * Locks the hosts in the order of their names.
 */
export async function touchHosts(trx: Knex.Transaction, hosts: readonly string[], defaults: DefaultRatios): Promise<string[]> {
  if (hosts.length === 0) return [];
  const rows = await rowsOf<{ host: string }>(
    trx,
    `with locked as (
       select host from hosts where host = any (cast(:hosts as text[])) order by host for no key update
     ), ratios as (
       select h.host, ${wantedRatios.cpu} as cpu, ${wantedRatios.memory} as memory, ${wantedRatios.disk} as disk
       from locked h
     )
     update hosts set
       cpu_ratio = r.cpu, memory_ratio = r.memory, disk_ratio = r.disk,
       vcpus_limit = ${limit('vcpus', 'r.cpu')},
       memory_mb_limit = ${limit('memory_mb', 'r.memory')},
       disk_gb_limit = ${limit('disk_gb', 'r.disk')},
       revision = hosts.revision + 1, updated_at = kilonova_now()
     from ratios r where r.host = hosts.host
     returning hosts.host`,
    { hosts, ...defaults },
  );
  return rows.map((row) => row.host);
}
