import { failure, type ListServers } from '@kilonova/objects';
import { zoneOfServer } from './server-rows.ts';

/**
 * The API's sort keys. Each is answered by an index that ends in the uuid, which breaks ties. Of some columns nearly all
 * rows have one value: their index holds the others alone, which costs nothing to keep, and a list in their order is put
 * together of ranges, of which the common one is read by uuid.
 */
interface SortColumn {
  readonly column: string;
  readonly nullable?: true;
  /** SQL of the value that most rows have and the index lacks. */
  readonly common?: string;
  /** The common value is false: there is none below it. */
  readonly flag?: true;
  /** Not in the row, and so in no index: the list is sorted each time. */
  readonly computed?: true;
}

/** null for keys that are accepted and mean nothing here. */
const SORT_COLUMNS: Readonly<Record<string, SortColumn | null>> = {
  created_at: { column: 'created_at' },
  updated_at: { column: 'updated_at' },
  uuid: { column: 'uuid' },
  display_name: { column: 'name' },
  hostname: { column: 'hostname' },
  project_id: { column: 'project_id' },
  user_id: { column: 'user_id' },
  instance_type_id: { column: 'flavor_id' },
  vm_state: { column: 'vm_state', common: "'active'" },
  power_state: { column: 'power_state', common: '1' },
  progress: { column: 'progress', common: '0' },
  launch_index: { column: 'launch_index', common: '0' },
  locked: { column: 'locked', flag: true },
  config_drive: { column: 'config_drive', flag: true },
  auto_disk_config: { column: 'auto_disk_config', flag: true },
  image_ref: { column: 'image_id', nullable: true },
  host: { column: 'host', nullable: true },
  node: { column: 'node', nullable: true },
  launched_at: { column: 'launched_at', nullable: true },
  terminated_at: { column: 'terminated_at', nullable: true },
  task_state: { column: 'task_state', nullable: true },
  display_description: { column: 'description', nullable: true },
  key_name: { column: 'key_name', nullable: true },
  access_ip_v4: { column: 'access_ip_v4', nullable: true },
  access_ip_v6: { column: 'access_ip_v6', nullable: true },
  kernel_id: { column: 'kernel_id', nullable: true },
  ramdisk_id: { column: 'ramdisk_id', nullable: true },
  root_device_name: { column: 'root_device_name', nullable: true },
  availability_zone: { column: 'availability_zone', nullable: true, computed: true },
  locked_by: null,
};

export interface Sort extends SortColumn {
  readonly descending: boolean;
}

/** The sorts asked for (newest first when none is), with the uuid last, which settles equals. @throws InvalidInput */
export function sortsOf({ sortKeys, sortDirections }: Pick<ListServers, 'sortKeys' | 'sortDirections'>): Sort[] {
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
  if (!sorts.some(({ column }) => column === 'uuid')) sorts.push({ column: 'uuid', descending });
  return sorts;
}

/** SQL: what a row sorts by. The zone of a server is that of its host, or the one asked for while it has none. */
export const keyOf = (alias: string, { column }: Pick<SortColumn, 'column'>): string =>
  column === 'availability_zone' ? zoneOfServer(alias) : `${alias}.${column}`;

export const orderOf = (sorts: readonly Sort[], key: (sort: Sort) => string = (sort) => keyOf('i', sort)): string =>
  sorts.map((sort) => `${key(sort)} ${sort.descending ? 'desc' : 'asc'}`).join(', ');

/** A part of the list, which an index answers in its order. */
export interface Range {
  /** SQL: the row of this alias is in it. */
  readonly holds: (alias: string) => string;
  /** The order inside of it. */
  readonly sorts: readonly Sort[];
}

/** The list's parts in its order, by the first sort. One part, where an index holds all rows. */
export function rangesOf(sorts: readonly Sort[]): readonly Range[] {
  const [first, ...rest] = sorts as [Sort, ...Sort[]];
  const { column, common, descending } = first;
  const of = (condition: (key: string) => string, inner: readonly Sort[]): Range => ({
    holds: (alias) => condition(keyOf(alias, { column })),
    sorts: inner,
  });
  const ascending: Range[] = [];
  if (first.flag === true)
    ascending.push(
      of((key) => `not ${key}`, rest),
      of((key) => key, rest),
    );
  else if (common !== undefined) {
    ascending.push(
      of((key) => `${key} < ${common}`, sorts),
      of((key) => `${key} = ${common}`, rest),
      of((key) => `${key} > ${common}`, sorts),
    );
  } else if (first.nullable === true && first.computed !== true) {
    // Nulls count as the greatest, as PostgreSQL sorts them. A server without a host has no node.
    const missing = (alias: string) =>
      column === 'host' || column === 'node' ? `${alias}.host is null and ${alias}.node is null` : `${keyOf(alias, first)} is null`;
    ascending.push(
      of((key) => `${key} is not null`, sorts),
      { holds: missing, sorts: rest },
    );
  } else return [{ holds: () => 'true', sorts }];
  return descending ? ascending.toReversed() : ascending;
}

/**
 * SQL: the row `i` stands behind the marker's row, both of the same range. Where it can, as one comparison of rows, which an
 * index answers: where no key can be null. `full` is one that is not, in this range.
 */
export function behindMarker(sorts: readonly Sort[], full: Sort | undefined): string {
  const { descending } = sorts[0]!;
  const plain = sorts.every((sort) => (sort === full || sort.nullable !== true) && sort.descending === descending);
  if (plain) {
    const keys = (alias: string) => sorts.map((sort) => keyOf(alias, sort)).join(', ');
    return `(${keys('i')}) ${descending ? '<' : '>'} (select ${keys('m')} from instances m where m.uuid = cast(:marker as uuid))`;
  }
  const alternatives = sorts.map((sort, index) => {
    const equal = sorts.slice(0, index).map((before) => `${keyOf('i', before)} is not distinct from ${keyOf('m', before)}`);
    const [own, marked] = [keyOf('i', sort), keyOf('m', sort)];
    const behind = sort.descending
      ? `(${own} < ${marked} or (${marked} is null and ${own} is not null))`
      : `(${own} > ${marked} or (${marked} is not null and ${own} is null))`;
    return `(${[...equal, behind].join(' and ')})`;
  });
  return `exists (select from instances m where m.uuid = cast(:marker as uuid) and (${alternatives.join(' or ')}))`;
}
