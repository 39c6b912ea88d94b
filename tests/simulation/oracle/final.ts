import type { Request, Users } from '../world/users.ts';
import type { World } from '../world/world.ts';

interface InstanceRow {
  readonly uuid: string;
  readonly name: string;
  readonly state: string;
  readonly task: string | null;
  readonly host: string | null;
  readonly generation: number;
  readonly faults: number;
}

const RUNNING = 1;
const STATES = new Set(['active', 'stopped', 'resized', 'error', 'deleted']);

/** How many things are still under way. */
export async function underWay({ observer }: World): Promise<readonly string[]> {
  const rows = await observer.rows<{ what: string }>(
    `select kind || ' ' || state || ' at step ' || step || ' of ' || coalesce(instance_uuid::text, 'a request') || ', due at ' || deadline_at as what
       from tasks where state in ('running', 'parked', 'unwinding')
     union all select 'cleanup of ' || instance_uuid || ' on ' || host || ': ' || reason from cleanups order by 1`,
  );
  return rows.map(({ what }) => what);
}

/** What must hold when nothing is under way any more; each is a violation. */
export async function leftOver(world: World, users: Users): Promise<readonly string[]> {
  const instances = await world.observer.rows<InstanceRow>(
    `select i.uuid, name, vm_state as state, task_state as task, host, generation,
       (select count(*)::int from instance_faults f where f.instance_uuid = i.uuid) as faults from instances i order by i.uuid`,
  );
  const byUuid = new Map(instances.map((instance) => [instance.uuid, instance]));
  return [
    ...instances.flatMap((instance) => stateViolations(instance, users.madeUp.has(instance.uuid))),
    ...users.requests.flatMap((request) => requestViolations(request, instances, byUuid)),
    ...[...users.deleted].flatMap((uuid) =>
      byUuid.get(uuid)?.state === 'deleted' ? [] : [`${uuid}: deletion accepted, is ${byUuid.get(uuid)?.state}`],
    ),
    ...(await domainViolations(world, byUuid, users.madeUp)),
    ...(await rowViolations(world)),
  ];
}

function stateViolations({ uuid, state, task, faults }: InstanceRow, madeUp: boolean): string[] {
  if (task !== null) return [`${uuid}: shows ${task}`];
  if (!STATES.has(state)) return [`${uuid}: is ${state}`];
  return state === 'error' && faults === 0 && !madeUp ? [`${uuid}: is in error and does not say why`] : [];
}

/** A request came true once, or not at all when its user never heard of it. */
function requestViolations(
  { name, count, uuids }: Request,
  instances: readonly InstanceRow[],
  byUuid: ReadonlyMap<string, InstanceRow>,
): string[] {
  const made = instances.filter((instance) => instance.name === name || (count > 1 && instance.name.startsWith(`${name}-`))).length;
  if (uuids === null) return made === 0 || made === count ? [] : [`${name}: asked for ${count}, made ${made}`];
  if (made !== count || uuids.length !== count) return [`${name}: asked for ${count}, made ${made}, told of ${uuids.length}`];
  return uuids.flatMap((uuid) => (byUuid.has(uuid) ? [] : [`${name}: ${uuid} was accepted and is lost`]));
}

/** Every guest is where its instance is, in its generation and as it should be, and nowhere else. */
async function domainViolations(world: World, instances: ReadonlyMap<string, InstanceRow>, madeUp: ReadonlySet<string>): Promise<string[]> {
  const kept = new Set(
    (
      await world.observer.rows<{ kept: string }>(
        `select instance_uuid || ' ' || source_host as kept from server_migrations m join instances i on i.uuid = m.instance_uuid
         where m.status = 'finished' and m.source_host <> i.host and i.deleted_at is null`,
      )
    ).map((row) => row.kept),
  );
  const found: string[] = [];
  const seen = new Map<string, number>();
  for (const agent of world.agents) {
    for (const { uuid, generation, power } of agent.domains()) {
      const instance = instances.get(uuid);
      if (instance?.host === agent.name && instance.generation === generation) seen.set(uuid, power);
      // Its host failed to take it back, twice for a resize in place: what is left of it there is all that there is.
      else if (instance?.host === agent.name && instance.state === 'error' && generation < instance.generation) continue;
      else if (!kept.has(`${uuid} ${agent.name}`))
        found.push(
          `domain ${uuid} of generation ${generation} on ${agent.name}: the instance is ${instance?.state} on ${instance?.host} in generation ${instance?.generation}`,
        );
    }
  }
  for (const { uuid, state, host } of instances.values()) {
    if (madeUp.has(uuid)) continue;
    const power = seen.get(uuid);
    if (state === 'active' && power !== RUNNING) found.push(`${uuid} is active on ${host} and its guest is ${power ?? 'nowhere'}`);
    if (state === 'stopped' && (power === undefined || power === RUNNING))
      found.push(`${uuid} is stopped on ${host} and its guest is ${power ?? 'nowhere'}`);
    if (state === 'resized' && power === undefined) found.push(`${uuid} is resized on ${host} and its guest is nowhere`);
  }
  return found;
}

const QUERIES = [
  `select 'heavy operations of ' || host || ': ' || io_ops as what from hosts where io_ops <> 0`,
  // One that waits for somebody to decide may show something else than VERIFY_RESIZE: its state was reset, or its revert failed.
  `select 'migration ' || m.id || ' of ' || i.uuid || ' is ' || m.status || ' and the instance ' || i.vm_state as what
   from server_migrations m join instances i on i.uuid = m.instance_uuid
   where m.open and (m.status <> 'finished' or i.vm_state not in ('resized', 'active', 'stopped', 'error'))`,
  `select 'event ' || e.event || ' of ' || a.action || ' of ' || a.instance_uuid || ' does not end' as what
   from instance_action_events e join instance_actions a on a.id = e.action_id where e.finish_time is null`,
];

async function rowViolations({ observer }: World): Promise<string[]> {
  const found: string[] = [];
  for (const query of QUERIES) found.push(...(await observer.rows<{ what: string }>(query)).map(({ what }) => what));
  return found;
}
