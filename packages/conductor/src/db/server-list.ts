import { failure, ServerName, type ListServers, type Server } from '@kilonova/objects';
import type { Knex } from 'knex';
import { isUuid, rowsOf } from './rows.ts';
import { conditionsOf } from './server-filters.ts';
import { asServer, SERVER_SELECT, zoneOfServer, type ServerView } from './server-rows.ts';

/**
 * The API's sort keys and their columns; null for keys that are accepted and mean nothing here. `full` columns are never
 * null, so that a page behind a marker can be one comparison of rows, which an index answers.
 */
const SORT_COLUMNS: Readonly<Record<string, { readonly column: string; readonly full: boolean } | null>> = {
  created_at: { column: 'created_at', full: true },
  updated_at: { column: 'updated_at', full: true },
  uuid: { column: 'uuid', full: true },
  display_name: { column: 'name', full: true },
  hostname: { column: 'hostname', full: true },
  vm_state: { column: 'vm_state', full: true },
  power_state: { column: 'power_state', full: true },
  progress: { column: 'progress', full: true },
  locked: { column: 'locked', full: true },
  project_id: { column: 'project_id', full: true },
  user_id: { column: 'user_id', full: true },
  config_drive: { column: 'config_drive', full: true },
  auto_disk_config: { column: 'auto_disk_config', full: true },
  launch_index: { column: 'launch_index', full: true },
  instance_type_id: { column: 'flavor_id', full: true },
  task_state: { column: 'task_state', full: false },
  display_description: { column: 'description', full: false },
  image_ref: { column: 'image_id', full: false },
  host: { column: 'host', full: false },
  node: { column: 'node', full: false },
  key_name: { column: 'key_name', full: false },
  availability_zone: { column: 'availability_zone', full: false },
  access_ip_v4: { column: 'access_ip_v4', full: false },
  access_ip_v6: { column: 'access_ip_v6', full: false },
  kernel_id: { column: 'kernel_id', full: false },
  ramdisk_id: { column: 'ramdisk_id', full: false },
  root_device_name: { column: 'root_device_name', full: false },
  launched_at: { column: 'launched_at', full: false },
  terminated_at: { column: 'terminated_at', full: false },
  locked_by: null,
};

/** SQL: what a row sorts by. The zone of a server is that of its host, or the one asked for while it has none. */
const keyOf = (alias: string, column: string): string => (column === 'availability_zone' ? zoneOfServer(alias) : `${alias}.${column}`);

interface Sort {
  readonly column: string;
  readonly full: boolean;
  readonly descending: boolean;
}

/** The sorts asked for (newest first when none is), with the uuid last, which settles equals. @throws InvalidInput */
function sortsOf({ sortKeys, sortDirections }: Pick<ListServers, 'sortKeys' | 'sortDirections'>): Sort[] {
  const keys = sortKeys.length === 0 ? ['created_at'] : sortKeys;
  const sorts: Sort[] = [];
  let descending = true;
  for (const [index, key] of keys.entries()) {
    const known = Object.hasOwn(SORT_COLUMNS, key) ? SORT_COLUMNS[key] : undefined;
    if (known === undefined) throw failure('InvalidInput', `Invalid input for query parameters sort_key. Value: ${key}.`);
    const direction = sortDirections[index];
    if (direction !== undefined) descending = direction.toLowerCase() !== 'asc';
    if (known !== null && !sorts.some(({ column }) => column === known.column)) sorts.push({ ...known, descending });
  }
  if (!sorts.some(({ column }) => column === 'uuid')) sorts.push({ column: 'uuid', full: true, descending });
  return sorts;
}

/** SQL: the row `i` stands behind the marker's row. Nulls count as the greatest, as PostgreSQL sorts them. */
function behindMarker(sorts: readonly Sort[]): string {
  if (sorts.every(({ full, descending }) => full && descending === sorts[0]!.descending)) {
    const columns = sorts.map(({ column }) => column);
    const own = columns.map((column) => `i.${column}`).join(', ');
    return `(${own}) ${sorts[0]!.descending ? '<' : '>'} (select ${columns.join(', ')} from instances where uuid = cast(:marker as uuid))`;
  }
  const alternatives = sorts.map(({ column, descending }, index) => {
    const equal = sorts.slice(0, index).map((before) => `${keyOf('i', before.column)} is not distinct from ${keyOf('m', before.column)}`);
    const [own, marked] = [keyOf('i', column), keyOf('m', column)];
    const behind = descending
      ? `(${own} < ${marked} or (${marked} is null and ${own} is not null))`
      : `(${own} > ${marked} or (${marked} is not null and ${own} is null))`;
    return `(${[...equal, behind].join(' and ')})`;
  });
  return `exists (select from instances m where m.uuid = cast(:marker as uuid) and (${alternatives.join(' or ')}))`;
}

interface PageQuery {
  /** From `where` on. */
  readonly sql: string;
  readonly bindings: Readonly<Record<string, unknown>>;
}

/** @throws MarkerNotFound for a marker outside the scope, InvalidInput */
async function pageQuery(knex: Knex, view: ServerView, request: ListServers, limit: number): Promise<PageQuery> {
  const { scope, marker } = request;
  const sorts = sortsOf(request);
  const within = '(cast(:allProjects as boolean) or i.project_id = :projectId)';
  const bindings = { allProjects: scope.allProjects, projectId: scope.projectId, marker, limit, defaultZone: view.defaultZone };
  if (marker !== null) {
    const found = isUuid(marker) ? await rowsOf(knex, `select 1 from instances i where i.uuid = :marker and ${within}`, bindings) : [];
    if (found.length === 0) throw failure('MarkerNotFound', `marker [${marker}] not found`);
  }
  const filters = conditionsOf(request.filters);
  const where = [
    // The plain comparison lets the indexes that begin with the project serve it.
    ...(scope.allProjects ? [] : ['i.project_id = :projectId']),
    ...filters.map(({ sql }) => sql),
    ...(marker === null ? [] : [behindMarker(sorts)]),
  ];
  const order = sorts.map(({ column, descending }) => `${keyOf('i', column)} ${descending ? 'desc' : 'asc'}`).join(', ');
  return {
    sql: `${where.length > 0 ? `where ${where.join(' and ')}` : ''} order by ${order} limit :limit`,
    bindings: Object.assign({}, ...filters.map((filter) => filter.bindings), bindings) as PageQuery['bindings'],
  };
}

/** One page: one statement, and one more to look for a marker. */
export async function serverPage(knex: Knex, view: ServerView, request: ListServers, limit: number): Promise<Server[]> {
  const { sql, bindings } = await pageQuery(knex, view, request, limit);
  const rows = await rowsOf<Parameters<typeof asServer>[0]>(knex, `select ${SERVER_SELECT} ${sql}`, {
    ...bindings,
    serviceDownMs: view.serviceDownMs,
  });
  return rows.map(asServer);
}

/** The same page, uuids and names only. */
export async function serverNamePage(knex: Knex, view: ServerView, request: ListServers, limit: number): Promise<ServerName[]> {
  const { sql, bindings } = await pageQuery(knex, view, request, limit);
  const rows = await rowsOf<object>(knex, `select i.uuid, i.name from instances i ${sql}`, bindings);
  return rows.map((row) => Object.assign(new ServerName(), row));
}
