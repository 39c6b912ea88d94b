import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { databaseSection, inspectDatabase } from '@kilonova/conductor';
import { defaultsOf } from '@kilonova/runtime';
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

/** What the conductor itself looks for: sums, owners, tasks. */
async function sumViolations(cloud: Cloud): Promise<string[]> {
  const { violations: found } = await inspectDatabase(defaultsOf(databaseSection, { url: cloud.database.url }));
  return found.map(({ invariant, subject, detail }) => `${invariant}: ${subject}: ${detail}`);
}
