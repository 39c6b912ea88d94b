import { ServerFilters, statesOf } from '@kilonova/objects';
import type { Api } from '../../api.ts';
import { badRequest, forbidden } from '../../http/api-error.ts';
import { lastOf, type Query } from '../../http/query.ts';
import type { ApiRequest } from '../../http/request.ts';
import { utcTime } from '../../schema/times.ts';
import { make } from '../asking.ts';
import { booleanOf } from '../values.ts';

/** The filters of the server list (contract, "Lists"): who may use which since when, and what the conductor calls them. */

type Values = readonly string[];
type Setter = (values: Values) => Partial<ServerFilters>;

interface Filter {
  /** Microversion from which everybody may use it; administrators always. */
  readonly everybody?: number;
  readonly set: Setter;
}

const nothing: Partial<ServerFilters> = { nothing: true };
const last = (values: Values) => values.at(-1) ?? '';
const list =
  (key: keyof ServerFilters): Setter =>
  (values) => ({ [key]: [...values] });
const one =
  (key: keyof ServerFilters): Setter =>
  (values) => ({ [key]: last(values) });
const time =
  (key: keyof ServerFilters): Setter =>
  (values) => {
    const found = utcTime(last(values));
    return found === null ? nothing : { [key]: found };
  };
const integers =
  (key: keyof ServerFilters): Setter =>
  (values) => {
    const numbers = values
      .map((value) => (/^-?\d{1,9}$/.test(value.trim()) ? Number(value) : undefined))
      .filter((value) => value !== undefined);
    return numbers.length === 0 ? nothing : { [key]: numbers };
  };
const yesNo =
  (key: keyof ServerFilters): Setter =>
  (values) => ({ [key]: booleanOf(last(values)) ?? false });
const tagList =
  (key: keyof ServerFilters): Setter =>
  (values) => ({
    [key]: last(values)
      .split(',')
      .filter((tag) => tag !== ''),
  });
const none: Setter = () => ({});

const filters: Readonly<Record<string, Filter>> = {
  name: { everybody: 1, set: one('name') },
  display_name: { set: one('name') },
  reservation_id: { everybody: 1, set: list('reservationIds') },
  image: { everybody: 1, set: list('imageIds') },
  image_ref: { set: list('imageIds') },
  flavor: { everybody: 1, set: list('flavorIds') },
  // No server has an address as long as there is no network service.
  ip: { everybody: 1, set: () => nothing },
  ip6: { everybody: 5, set: () => nothing },
  'changes-since': { everybody: 1, set: time('changesSince') },
  'changes-before': { everybody: 66, set: time('changesBefore') },
  tags: { everybody: 26, set: tagList('tags') },
  'tags-any': { everybody: 26, set: tagList('tagsAny') },
  'not-tags': { everybody: 26, set: tagList('notTags') },
  'not-tags-any': { everybody: 26, set: tagList('notTagsAny') },
  locked: { everybody: 73, set: yesNo('locked') },
  availability_zone: { everybody: 83, set: list('availabilityZones') },
  config_drive: { everybody: 83, set: yesNo('configDrive') },
  key_name: { everybody: 83, set: list('keyNames') },
  created_at: { everybody: 83, set: time('createdAt') },
  launched_at: { everybody: 83, set: time('launchedAt') },
  terminated_at: { everybody: 83, set: time('terminatedAt') },
  power_state: { everybody: 83, set: integers('powerStates') },
  task_state: { everybody: 83, set: list('taskStates') },
  vm_state: { everybody: 83, set: list('vmStates') },
  progress: { everybody: 83, set: (values) => (/^\d{1,9}$/.test(last(values)) ? { progress: Number(last(values)) } : nothing) },
  user_id: { everybody: 83, set: list('userIds') },
  hostname: { everybody: 90, set: list('hostnames') },
  host: { set: list('hosts') },
  node: { set: list('nodes') },
  uuid: { set: list('uuids') },
  description: { set: list('descriptions') },
  display_description: { set: list('descriptions') },
  launch_index: { set: integers('launchIndexes') },
  access_ip_v4: { set: one('accessIpV4') },
  access_ip_v6: { set: one('accessIpV6') },
  deleted: { set: (values) => ({ deleted: booleanOf(last(values)) ?? false }) },
  auto_disk_config: { set: (values) => ({ diskConfig: booleanOf(last(values)) === true ? 'AUTO' : 'MANUAL' }) },
  // Taken, and no server is left out by them.
  kernel_id: { set: none },
  locked_by: { set: none },
  ramdisk_id: { set: none },
  root_device_name: { set: none },
  soft_deleted: { set: none },
};

/** Keys that would reach into other tables. */
const joined = new Set(['block_device_mapping', 'services', 'metadata', 'system_metadata', 'info_cache', 'security_groups', 'pci_devices']);

function demandOwnFields(query: Query): void {
  for (const key of query.keys()) if (joined.has(key) || key.startsWith('_')) throw badRequest(`Invalid filter field: ${key}.`);
}

/** Whether rows of every project are asked for. @throws ApiError 400, 403 */
export function everyProject(api: Api, { query, caller }: ApiRequest, policy: string): boolean {
  const asked = lastOf(query, 'all_tenants');
  if (asked === undefined) return false;
  const wanted = asked === '' ? true : booleanOf(asked);
  if (wanted === undefined) throw badRequest(`Invalid value '${asked}' for all_tenants: expected a boolean`);
  if (wanted) api.policy.demand(policy, caller);
  return wanted;
}

/** The filters of the query. @throws ApiError 400, 403 */
export function filtersOf(api: Api, request: ApiRequest, allProjects: boolean): ServerFilters {
  const { query, version, caller } = request;
  const every = api.policy.allows('os_compute_api:servers:allow_all_filters', caller);
  const admin = api.policy.allows('context_is_admin', caller);
  if (every) demandOwnFields(query);
  const found = make(ServerFilters, {});
  for (const [key, values] of query) {
    const filter = Object.hasOwn(filters, key) ? filters[key] : undefined;
    if (filter !== undefined && (every || version >= (filter.everybody ?? Infinity))) Object.assign(found, filter.set(values));
  }
  if (query.has('status')) Object.assign(found, statuses(query.get('status') ?? [], version, admin));
  if (allProjects) {
    const projects = [...(query.get('tenant_id') ?? []), ...(query.get('project_id') ?? [])];
    if (projects.length > 0) found.projectIds = projects;
  }
  if (found.changesSince !== null && found.changesBefore !== null && found.changesSince > found.changesBefore)
    throw badRequest('The value of changes-since must be less than or equal to changes-before.');
  if (found.deleted === null && found.changesSince === null) found.deleted = false;
  return found;
}

function statuses(asked: Values, version: number, admin: boolean): Partial<ServerFilters> {
  const known = asked.map((status) => status.toUpperCase()).filter((status) => statesOf(status).length > 0);
  if (known.length === 0) {
    if (version >= 38) throw badRequest('Invalid status value');
    return nothing;
  }
  if (known.every((status) => status === 'DELETED')) {
    if (!admin) throw forbidden('Only administrators may list deleted instances');
    return { statuses: known, deleted: true };
  }
  return { statuses: known };
}
