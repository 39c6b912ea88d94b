import { statesOf, type ServerFilters } from '@kilonova/objects';
import type { Knex } from 'knex';
import { isUuid, rowsOf } from './rows.ts';
import { zoneOf } from './zones.ts';

/** A condition on the row `i` with what it binds. */
interface Condition {
  readonly sql: string;
  readonly bindings: Readonly<Record<string, unknown>>;
}

const is = (sql: string, bindings: Condition['bindings'] = {}): Condition => ({ sql, bindings });

/** Columns that must equal one of several texts. */
const ONE_OF = {
  vmStates: 'vm_state',
  imageIds: 'image_id',
  flavorIds: 'flavor_id',
  projectIds: 'project_id',
  userIds: 'user_id',
  hosts: 'host',
  nodes: 'node',
  keyNames: 'key_name',
  hostnames: 'hostname',
  descriptions: 'description',
  reservationIds: 'reservation_id',
} as const satisfies Partial<Record<keyof ServerFilters, string>>;

/** Columns that must equal a value of another kind, with the type to read it as. */
const EQUAL = {
  accessIpV4: ['access_ip_v4', 'text'],
  accessIpV6: ['access_ip_v6', 'text'],
  createdAt: ['created_at', 'timestamptz'],
  launchedAt: ['launched_at', 'timestamptz'],
  terminatedAt: ['terminated_at', 'timestamptz'],
  progress: ['progress', 'bigint'],
} as const satisfies Partial<Record<keyof ServerFilters, readonly [string, string]>>;

/** Flags, whose index holds those that are set: it is found when the statement says which. */
const FLAGS = { configDrive: 'config_drive', locked: 'locked' } as const satisfies Partial<Record<keyof ServerFilters, string>>;

const HOSTS_IN_ZONES = `select h.host from hosts h where ${zoneOf('h.host')} = any (cast(:availabilityZones as text[]))`;

/** The zone of a server is that of its host, or the one asked for while it has none. */
const inZones = (hosts: string): string =>
  `(i.host = any (${hosts}) or (i.host is null and i.node is null and i.availability_zone = any (cast(:availabilityZones as text[]))))`;

/** Hosts that are named one by one in a statement; of a zone with more, most of any servers are. */
const MOST_NAMED_HOSTS = 1_000;

/**
 * The hosts in the zones that are asked for: how many servers they have decides how the list is best read, which the
 * database only knows of hosts that are named. Undefined when no zone is asked for, or too many hosts are in them.
 */
export async function hostsInZones(
  knex: Knex,
  { availabilityZones }: Pick<ServerFilters, 'availabilityZones'>,
  defaultZone: string,
): Promise<readonly string[] | undefined> {
  if (availabilityZones === null) return undefined;
  const rows = await rowsOf<{ host: string }>(knex, `${HOSTS_IN_ZONES} limit :most`, {
    ...{ availabilityZones, defaultZone, most: MOST_NAMED_HOSTS + 1 },
  });
  return rows.length > MOST_NAMED_HOSTS ? undefined : rows.map(({ host }) => host);
}

/** Every filter that was given, as conditions that must all hold; `:defaultZone` is bound by the caller. */
export function conditionsOf(filters: ServerFilters, zoneHosts?: readonly string[]): Condition[] {
  const found: Condition[] = [];
  if (filters.nothing) found.push(is('false'));
  if (filters.name !== null) found.push(is('i.name ~ :name', { name: filters.name }));
  for (const [filter, column] of Object.entries(ONE_OF)) {
    const wanted = filters[filter as keyof typeof ONE_OF];
    if (wanted !== null) found.push(is(`i.${column} = any (cast(:${filter} as text[]))`, { [filter]: wanted }));
  }
  for (const [filter, [column, type]] of Object.entries(EQUAL)) {
    const wanted = filters[filter as keyof typeof EQUAL];
    if (wanted !== null) found.push(is(`i.${column} = cast(:${filter} as ${type})`, { [filter]: wanted }));
  }
  for (const [filter, column] of Object.entries(FLAGS)) {
    const wanted = filters[filter as keyof typeof FLAGS];
    if (wanted !== null) found.push(is(wanted ? `i.${column}` : `not i.${column}`));
  }
  if (filters.diskConfig !== null) found.push(is(filters.diskConfig === 'AUTO' ? 'i.auto_disk_config' : 'not i.auto_disk_config'));
  if (filters.uuids !== null) found.push(is('i.uuid = any (cast(:uuids as uuid[]))', { uuids: filters.uuids.filter(isUuid) }));
  if (filters.availabilityZones !== null)
    found.push(
      is(zoneHosts === undefined ? inZones(`array(${HOSTS_IN_ZONES})`) : inZones('cast(:zoneHosts as text[])'), {
        ...{ availabilityZones: filters.availabilityZones, zoneHosts },
      }),
    );
  if (filters.powerStates !== null)
    found.push(is('i.power_state = any (cast(:powerStates as integer[]))', { powerStates: filters.powerStates }));
  if (filters.launchIndexes !== null)
    found.push(is('i.launch_index = any (cast(:launchIndexes as bigint[]))', { launchIndexes: filters.launchIndexes }));
  if (filters.taskStates !== null) found.push(taskStates(filters.taskStates));
  if (filters.statuses !== null) found.push(statuses(filters.statuses));
  if (filters.metadata !== null) found.push(is('i.metadata @> cast(:metadata as jsonb)', { metadata: JSON.stringify(filters.metadata) }));
  found.push(...tags(filters), ...ages(filters));
  return found;
}

function taskStates(wanted: readonly (string | null)[]): Condition {
  const named = wanted.filter((state) => state !== null);
  const none = wanted.includes(null) ? ' or i.task_state is null' : '';
  return is(`(i.task_state = any (cast(:taskStates as text[]))${none})`, { taskStates: named });
}

/** A status stands for states of two columns; one that nobody knows stands for none. */
function statuses(wanted: readonly string[]): Condition {
  const bindings: Record<string, unknown> = {};
  const alternatives = wanted.flatMap(statesOf).map(({ vmState, taskStates: tasks, except }, index) => {
    Object.assign(bindings, { [`statusVm${index}`]: vmState, [`statusTask${index}`]: tasks });
    const among = `i.task_state = any (cast(:statusTask${index} as text[]))`;
    return `(i.vm_state = :statusVm${index} and ${except ? `(i.task_state is null or not ${among})` : among})`;
  });
  return is(alternatives.length === 0 ? 'false' : `(${alternatives.join(' or ')})`, bindings);
}

const tags = ({ tags: all, tagsAny, notTags, notTagsAny }: ServerFilters): Condition[] => [
  ...(all === null ? [] : [is('i.tags @> cast(:tags as text[])', { tags: all })]),
  ...(tagsAny === null ? [] : [is('i.tags && cast(:tagsAny as text[])', { tagsAny })]),
  ...(notTags === null ? [] : [is('not i.tags @> cast(:notTags as text[])', { notTags })]),
  ...(notTagsAny === null ? [] : [is('not i.tags && cast(:notTagsAny as text[])', { notTagsAny })]),
];

/** Deleted servers are shown to those who ask for changes, or for them. */
function ages({ changesSince, changesBefore, deleted }: ServerFilters): Condition[] {
  const found: Condition[] = [];
  if (changesSince !== null) found.push(is('i.updated_at >= cast(:changesSince as timestamptz)', { changesSince }));
  if (changesBefore !== null) found.push(is('i.updated_at <= cast(:changesBefore as timestamptz)', { changesBefore }));
  if (deleted === true) found.push(is('i.deleted_at is not null'));
  if (deleted === false || (deleted === null && changesSince === null)) found.push(is('i.deleted_at is null'));
  return found;
}
