import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Cloud } from '../support/cloud.ts';
import type { Request } from './workload.ts';

interface InstanceRow {
  readonly uuid: string;
  readonly name: string;
  readonly vm_state: string;
  readonly host: string | null;
  readonly generation: number;
  readonly faults: number;
}

/** Domains on a fake host, by instance: the file outlives its agent as a hypervisor's domains would. */
export function domainsOf(cloud: Cloud, host: string): ReadonlyMap<string, { readonly generation: number }> {
  const domains = new Map<string, { generation: number }>();
  for (const line of readFileSync(join(cloud.dir, host, 'fake-domains.jsonl'), 'utf8').split('\n')) {
    if (line === '') continue;
    const change = JSON.parse(line) as { uuid: string; generation?: number };
    if (change.generation === undefined) domains.delete(change.uuid);
    else domains.set(change.uuid, { generation: change.generation });
  }
  return domains;
}

/** Everything that must hold once nothing is in flight (the design's list under "Failure"); empty when all does. */
export async function violations(cloud: Cloud, requests: readonly Request[]): Promise<readonly string[]> {
  const instances = await cloud.database.query<InstanceRow>(
    `select uuid, name, vm_state, host, generation, (select count(*)::int from instance_faults f where f.instance_uuid = i.uuid) as faults from instances i`,
  );
  const byUuid = new Map(instances.map((instance) => [instance.uuid, instance]));
  return [
    ...requests.flatMap((request) => requestViolations(request, byUuid)),
    ...doubled(instances, requests),
    ...domainViolations(cloud, byUuid),
    ...(await sumViolations(cloud)),
  ];
}

function requestViolations({ name, ids, deletionAccepted }: Request, instances: ReadonlyMap<string, InstanceRow>): string[] {
  return ids.flatMap((id) => {
    const instance = instances.get(id);
    if (instance === undefined) return [`${name} ${id}: accepted and lost`];
    if (deletionAccepted) return instance.vm_state === 'deleted' ? [] : [`${name} ${id}: deletion accepted, is ${instance.vm_state}`];
    if (['active', 'stopped', 'deleted'].includes(instance.vm_state)) return [];
    if (instance.vm_state === 'error' && instance.faults > 0) return [];
    return [`${name} ${id}: is ${instance.vm_state} with ${instance.faults} faults`];
  });
}

/** A request sent several times with one key made its servers once. */
function doubled(instances: readonly InstanceRow[], requests: readonly Request[]): string[] {
  return requests.flatMap(({ name, count }) => {
    const made = instances.filter((instance) => instance.name === name || (count > 1 && instance.name.startsWith(`${name}-`))).length;
    return made === count ? [] : [`${name}: asked for ${count}, made ${made}`];
  });
}

function domainViolations(cloud: Cloud, instances: ReadonlyMap<string, InstanceRow>): string[] {
  const found: string[] = [];
  const running = new Set<string>();
  for (const host of cloud.hosts) {
    for (const [uuid, { generation }] of domainsOf(cloud, host)) {
      const instance = instances.get(uuid);
      running.add(uuid);
      if (instance?.host !== host || instance.generation !== generation) {
        found.push(
          `domain ${uuid} of generation ${generation} on ${host}: the instance is ${instance?.vm_state} on ${instance?.host} in generation ${instance?.generation}`,
        );
      }
    }
  }
  for (const { uuid, vm_state: state } of instances.values())
    if (state === 'active' && !running.has(uuid)) found.push(`${uuid} is active and runs nowhere`);
  return found;
}

async function sumViolations(cloud: Cloud): Promise<string[]> {
  const rows = await cloud.database.query<{ broken: string }>(`
    select 'allocation of ' || a.instance_uuid || ' on ' || a.host || ' without its instance there' as broken
      from allocations a left join instances i on i.uuid = a.instance_uuid and i.host = a.host and i.generation = a.generation
      where i.uuid is null
    union all
    select 'instance ' || i.uuid || ' on ' || i.host || ' without allocation' from instances i
      left join allocations a on a.instance_uuid = i.uuid and a.host = i.host where i.host is not null and a.instance_uuid is null
    union all
    select 'host ' || h.host || ' counts ' || h.vcpus_used || ' VCPUs, ' || h.memory_mb_used || ' MiB, ' || h.instances || ' instances; allocated ' || s.vcpus || ', ' || s.memory || ', ' || s.count
      from hosts h, lateral (select coalesce(sum(vcpus), 0) as vcpus, coalesce(sum(memory_mb), 0) as memory, coalesce(sum(disk_gb), 0) as disk, count(*) as count
        from allocations a where a.host = h.host) s
      where (h.vcpus_used, h.memory_mb_used, h.disk_gb_used, h.instances) is distinct from (s.vcpus, s.memory, s.disk, s.count)
    union all
    select 'host ' || host || ' claims more than it has' from hosts where vcpus_used > vcpus_limit or memory_mb_used > memory_mb_limit or disk_gb_used > disk_gb_limit
    union all
    select 'quota of ' || q.project_id || ' says ' || q.instances || ' instances, ' || q.cores || ' cores; there are ' || s.count || ', ' || s.cores
      from quota_usages q, lateral (select count(*) as count, coalesce(sum(vcpus), 0) as cores, coalesce(sum(memory_mb), 0) as ram from instances i
        where i.project_id = q.project_id and i.deleted_at is null) s
      where q.user_id = '' and (q.instances, q.cores, q.ram) is distinct from (s.count, s.cores, s.ram)`);
  return rows.map(({ broken }) => broken);
}
