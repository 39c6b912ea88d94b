import { statesOf, type ServerFilters } from '@kilonova/objects';
import { isUuid } from './rows.ts';
import { zoneOfServer } from './server-rows.ts';

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
  configDrive: ['config_drive', 'boolean'],
  diskConfig: ['disk_config', 'text'],
  locked: ['locked', 'boolean'],
  accessIpV4: ['access_ip_v4', 'text'],
  accessIpV6: ['access_ip_v6', 'text'],
  createdAt: ['created_at', 'timestamptz'],
  launchedAt: ['launched_at', 'timestamptz'],
  terminatedAt: ['terminated_at', 'timestamptz'],
  progress: ['progress', 'bigint'],
} as const satisfies Partial<Record<keyof ServerFilters, readonly [string, string]>>;

/** Every filter that was given, as conditions that must all hold; `:defaultZone` is bound by the caller. */
export function conditionsOf(filters: ServerFilters): Condition[] {
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
  if (filters.uuids !== null) found.push(is('i.uuid = any (cast(:uuids as uuid[]))', { uuids: filters.uuids.filter(isUuid) }));
  if (filters.availabilityZones !== null)
    found.push(is(`${zoneOfServer('i')} = any (cast(:availabilityZones as text[]))`, { availabilityZones: filters.availabilityZones }));
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
    const among = `coalesce(i.task_state = any (cast(:statusTask${index} as text[])), false)`;
    return `(i.vm_state = :statusVm${index} and ${except ? 'not ' : ''}${among})`;
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
