import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { databaseSection, inspectDatabase } from '@kilonova/conductor';
import { defaultsOf } from '@kilonova/runtime';
import type { Cloud } from '../support/cloud.ts';
import type { Request } from './workload/server-user.ts';

interface InstanceRow {
  readonly uuid: string;
  readonly name: string;
  readonly vm_state: string;
  readonly host: string | null;
  readonly generation: number;
  readonly faults: number;
}

/** The power of a domain that runs. */
export const RUNNING = 1;

interface Domain {
  readonly generation: number;
  readonly power: number;
}

/** Domains on a fake host, by instance: the file outlives its agent as a hypervisor's domains would. */
export function domainsOf(cloud: Cloud, host: string): ReadonlyMap<string, Domain> {
  const domains = new Map<string, Domain>();
  for (const line of readFileSync(join(cloud.dir, host, 'fake-domains.jsonl'), 'utf8')
    .split('\n')
    .slice(0, -1)) {
    const { uuid, generation, power } = JSON.parse(line) as { uuid: string; generation?: number; power: number };
    if (generation === undefined) domains.delete(uuid);
    else domains.set(uuid, { generation, power });
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
    ...domainViolations(cloud, byUuid, await keptDomains(cloud)),
    ...(await sumViolations(cloud)),
    ...(await lateTasks(cloud)),
    ...(await openEvents(cloud)),
    ...(await openMigrations(cloud)),
  ];
}

/** What became of the servers that these lines name: their rows, for whoever has to find out why. */
export async function historyOf(cloud: Cloud, lines: readonly string[]): Promise<string> {
  const uuids = [...new Set(lines.flatMap((line) => line.match(UUID) ?? []))].slice(0, HISTORIES);
  const rows = await cloud.database.query(
    `select i.uuid, to_jsonb(i) - 'metadata' as instance,
       (select jsonb_agg(to_jsonb(t) order by t.created_at) from tasks t where t.instance_uuid = i.uuid) as tasks,
       (select jsonb_agg(to_jsonb(a) order by a.id) from instance_actions a where a.instance_uuid = i.uuid) as actions,
       (select jsonb_agg(to_jsonb(m) order by m.id) from server_migrations m where m.instance_uuid = i.uuid) as migrations,
       (select jsonb_agg(to_jsonb(a)) from allocations a where a.instance_uuid = i.uuid) as allocations
     from instances i where i.uuid = any(cast($1 as uuid[]))`,
    [uuids],
  );
  return rows.map((row) => JSON.stringify(row, undefined, 1)).join('\n');
}

const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;
const HISTORIES = 3;

/** Events of instance actions that still run although no task does. */
async function openEvents(cloud: Cloud): Promise<string[]> {
  const rows = await cloud.database.query<{ open: string }>(
    `select a.action || ' of ' || a.instance_uuid || ': ' || e.event || ', begun at ' || e.start_time || ', does not end' as open
     from instance_action_events e join instance_actions a on a.id = e.action_id where e.finish_time is null`,
  );
  return rows.map(({ open }) => open);
}

/** Migrations that are open although nothing moves: one that is done waits for its confirmation, of a server that lives. */
async function openMigrations(cloud: Cloud): Promise<string[]> {
  const rows = await cloud.database.query<{ open: string }>(
    `select m.type || ' ' || m.id || ' of ' || i.uuid || ' is ' || m.status || ', the server ' || i.vm_state as open
     from server_migrations m join instances i on i.uuid = m.instance_uuid
     where m.status = 'queued' or (m.open and (m.status <> 'finished' or i.vm_state <> 'resized'))`,
  );
  return rows.map(({ open }) => open);
}

/** Tasks that ended, and too late. */
async function lateTasks(cloud: Cloud): Promise<string[]> {
  const rows = await cloud.database.query<{ late: string }>(
    `select kind || ' ' || id || ' ended ' || (finished_at - deadline_at) || ' after its deadline' as late
     from tasks where finished_at > deadline_at + interval '30 seconds'`,
  );
  return rows.map(({ late }) => late);
}

function requestViolations({ name, ids, deletionAccepted }: Request, instances: ReadonlyMap<string, InstanceRow>): string[] {
  return ids.flatMap((id) => {
    const instance = instances.get(id);
    if (instance === undefined) return [`${name} ${id}: accepted and lost`];
    if (deletionAccepted) return instance.vm_state === 'deleted' ? [] : [`${name} ${id}: deletion accepted, is ${instance.vm_state}`];
    if (['active', 'stopped', 'resized', 'deleted'].includes(instance.vm_state)) return [];
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

/** What a resize left on its old host until it is confirmed: `uuid host`. A revert that failed may have made its generation newer than the domain's. */
async function keptDomains(cloud: Cloud): Promise<ReadonlySet<string>> {
  const rows = await cloud.database.query<{ kept: string }>(
    `select instance_uuid || ' ' || source_host as kept from server_migrations where status = 'finished'`,
  );
  return new Set(rows.map(({ kept }) => kept));
}

function domainViolations(cloud: Cloud, instances: ReadonlyMap<string, InstanceRow>, kept: ReadonlySet<string>): string[] {
  const found: string[] = [];
  const running = new Set<string>();
  for (const host of cloud.hosts) {
    for (const [uuid, { generation, power }] of domainsOf(cloud, host)) {
      const instance = instances.get(uuid);
      if (kept.has(`${uuid} ${host}`)) continue;
      running.add(uuid);
      if (instance?.vm_state === 'stopped' && power === RUNNING) found.push(`${uuid} is stopped and runs on ${host}`);
      if (instance?.vm_state === 'active' && power !== RUNNING) found.push(`${uuid} is active and of power ${power} on ${host}`);
      if (instance?.host !== host || instance.generation !== generation) {
        found.push(
          `domain ${uuid} of generation ${generation} on ${host}: the instance is ${instance?.vm_state} on ${instance?.host} in generation ${instance?.generation}`,
        );
      }
    }
  }
  for (const { uuid, vm_state: state } of instances.values())
    if ((state === 'active' || state === 'resized') && !running.has(uuid)) found.push(`${uuid} is active and runs nowhere`);
  return found;
}

/** Looks at the conductor's invariants all the time: they hold after every commit, and not only when nothing is in flight. */
export class InvariantWatch {
  looks = 0;
  /** Looks for which there was no database. */
  blind = 0;
  readonly #cloud: Cloud;
  readonly #found = new Set<string>();
  readonly #stopping = new AbortController();
  #done: Promise<void> = Promise.resolve();

  constructor(cloud: Cloud) {
    this.#cloud = cloud;
  }

  start(): void {
    this.#done = this.#run();
  }

  /** @returns every violation that was ever seen */
  async stop(): Promise<readonly string[]> {
    this.#stopping.abort();
    await this.#done;
    return [...this.#found];
  }

  async #run(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      try {
        for (const found of await sumViolations(this.#cloud)) this.#found.add(found);
        this.looks += 1;
      } catch {
        this.blind += 1;
      }
      await pause(LOOK_MS);
    }
  }
}

const LOOK_MS = 250;

/** What the conductor itself looks for: sums, owners, tasks. */
async function sumViolations(cloud: Cloud): Promise<string[]> {
  const { violations: found } = await inspectDatabase(defaultsOf(databaseSection, { url: cloud.database.url }));
  return found.map(({ invariant, subject, detail }) => `${invariant}: ${subject}: ${detail}`);
}
