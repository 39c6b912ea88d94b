import { ListServers } from '@kilonova/objects';
import type { Api } from '../../api.ts';
import { forbidden } from '../../http/api-error.ts';
import type { ApiRequest, Reply } from '../../http/request.ts';
import { detailFields, nameFields } from '../../views/server.ts';
import { viewOf, written, type Field } from '../../views/view.ts';
import { eachOf, make, scopeFor } from '../asking.ts';
import { nextLinks, pageOf, type Page } from '../page.ts';
import { everyProject, filtersOf } from './filters.ts';
import { keptDetails } from './kept-details.ts';
import { ListText } from './list-text.ts';

/** The sort keys of the newest schema; older ones let more through, which is ignored. */
const sortKeys = new Set([
  'access_ip_v4',
  'access_ip_v6',
  'auto_disk_config',
  'availability_zone',
  'config_drive',
  'created_at',
  'display_description',
  'display_name',
  'host',
  'hostname',
  'image_ref',
  'instance_type_id',
  'kernel_id',
  'key_name',
  'launch_index',
  'launched_at',
  'locked_by',
  'node',
  'power_state',
  'progress',
  'project_id',
  'ramdisk_id',
  'root_device_name',
  'task_state',
  'terminated_at',
  'updated_at',
  'user_id',
  'uuid',
  'vm_state',
]);
const adminSortKeys = new Set(['host', 'node']);

/** The order asked for, newest first when none is. @throws ApiError 403 */
function sortingOf(api: Api, { query, caller }: ApiRequest): Pick<ListServers, 'sortKeys' | 'sortDirections'> {
  const directions = query.get('sort_dir') ?? [];
  const pairs = (query.get('sort_key') ?? [])
    .map((key, at) => ({ key, direction: directions[at] ?? directions.at(-1) ?? 'desc' }))
    .filter(({ key }) => sortKeys.has(key));
  const reserved = pairs.find(({ key }) => adminSortKeys.has(key));
  if (reserved !== undefined && !api.policy.allows('context_is_admin', caller))
    throw forbidden(`Only administrators can sort servers by ${reserved.key}`);
  if (pairs.length === 0) return { sortKeys: ['created_at'], sortDirections: [directions.at(-1) ?? 'desc'] };
  return { sortKeys: pairs.map(({ key }) => key), sortDirections: pairs.map(({ direction }) => direction) };
}

function questionOf(api: Api, request: ApiRequest, policy: string): { readonly asked: ListServers; readonly page: Page } {
  const allProjects = everyProject(api, request, policy);
  const page = pageOf(request, api.config);
  const scope = { ...scopeFor(api, request), allProjects };
  const filters = filtersOf(api, request, allProjects);
  return { page, asked: make(ListServers, { scope, filters, ...sortingOf(api, request), ...page }) };
}

/** The rows as they come, each written once. */
async function answer<T extends { readonly uuid: string }>(
  api: Api,
  request: ApiRequest,
  page: Page,
  rows: AsyncIterable<readonly T[]> | undefined,
  fields: readonly Field<T>[],
): Promise<Reply> {
  const view = viewOf(api, request);
  const list = new ListText();
  const write = (row: T) => {
    list.add(written(fields, row, view));
    return row.uuid;
  };
  const uuids = rows === undefined ? [] : await eachOf(api, rows, write, page.limit);
  return list.reply(nextLinks(request, page, uuids));
}

const isEmpty = (page: Page, asked: ListServers): boolean => page.limit === 0 || asked.filters.nothing;

export async function listNames(api: Api, request: ApiRequest) {
  const { asked, page } = questionOf(api, request, 'os_compute_api:servers:index:get_all_tenants');
  const rows = isEmpty(page, asked) ? undefined : api.conductor.listServerNames(asked, request.rpc);
  return answer(api, request, page, rows, nameFields);
}

export async function listDetails(api: Api, request: ApiRequest) {
  const { asked, page } = questionOf(api, request, 'os_compute_api:servers:detail:get_all_tenants');
  const fields = detailFields(api.config.instanceNamePrefix);
  if (isEmpty(page, asked)) return answer(api, request, page, undefined, fields);
  const kept = await keptDetails(api, request, page, asked);
  return kept ?? answer(api, request, page, api.conductor.listServers(asked, request.rpc), fields);
}
