import type { Knex } from 'knex';
import { badRequest } from '../http/error.ts';
import { queryFlag, queryLimit, refuse } from '../http/input.ts';
import { isAdmin, type Caller } from './caller.ts';
import type { ImageConfig } from './config.ts';
import { VISIBILITIES, type Image } from './image.ts';
import { fromRow } from './images.ts';

/**
 * One page of images. The page begins after the marker's row, which is compared in SQL: a time that went through a
 * JavaScript date has lost its microseconds.
 */
export async function listImages(db: Knex, { query, caller, config }: { query: URLSearchParams; caller: Caller; config: ImageConfig }) {
  const limit = queryLimit(query, config.page, config.maxPage);
  if ([...query.keys()].length > config.maxFilters) throw badRequest(`At most ${config.maxFilters} query parameters are taken.`);
  const visible = () => visibleTo(db('image_images as i'), caller, query, db);
  const sort = sortOf(query);
  const rows = visible();
  filter(rows, query, db);
  const marker = query.get('marker');
  if (marker !== null) await startAfter(db, rows, { marker, sort, known: visible() });
  for (const { key, direction } of sort) rows.orderByRaw(`${expression(key)} ${direction}`);
  const found = limit === 0 ? [] : await rows.select('i.*').limit(limit + 1);
  const images: readonly Image[] = found.slice(0, limit).map(fromRow);
  return { images, more: found.length > limit };
}

/** Glance's rules: all public and own images and those shared and accepted; community ones only when asked for. */
function visibleTo(rows: Knex.QueryBuilder, caller: Caller, query: URLSearchParams, db: Knex): Knex.QueryBuilder {
  const own = caller.projectId ?? null;
  const wanted = query.get('visibility');
  if (wanted !== null && wanted !== 'all' && !VISIBILITIES.some((known) => known === wanted))
    throw refuse('the query parameter visibility', `one of ${VISIBILITIES.join(', ')}, all`, wanted);
  const status = query.get('member_status') ?? 'accepted';
  if (!['accepted', 'pending', 'rejected', 'all'].includes(status))
    throw refuse('the query parameter member_status', 'one of accepted, pending, rejected, all', status);
  if (wanted !== null && wanted !== 'all') rows.where('i.visibility', wanted);
  const community = wanted === 'community' || wanted === 'all';
  if (isAdmin(caller))
    return community ? rows : rows.where((either) => void either.whereNot('i.visibility', 'community').orWhere('i.owner', own));
  const shared = db('image_members as m').select('m.image_id').where('m.member_id', own);
  if (status !== 'all') shared.where('m.status', status);
  return rows.where((either) => {
    either.whereIn('i.visibility', community ? ['public', 'community'] : ['public']);
    if (own !== null) either.orWhere('i.owner', own).orWhere((both) => void both.where('i.visibility', 'shared').whereIn('i.id', shared));
  });
}

const TEXT_FILTERS = [
  'id',
  'name',
  'status',
  'owner',
  'container_format',
  'disk_format',
  'checksum',
  'os_hash_algo',
  'os_hash_value',
] as const;
/** Column, comparison, and the largest number that is one of the column's kind. */
const NUMBER_FILTERS = {
  min_disk: ['i.min_disk', '=', 2 ** 31 - 1],
  min_ram: ['i.min_ram', '=', 2 ** 31 - 1],
  size_min: ['i.size', '>=', Number.MAX_SAFE_INTEGER],
  size_max: ['i.size', '<=', Number.MAX_SAFE_INTEGER],
} as const;
const CONTROLS = new Set([
  'limit',
  'marker',
  'sort',
  'sort_key',
  'sort_dir',
  'visibility',
  'member_status',
  'os_hidden',
  'protected',
  'tag',
]);
const COMPARISONS: Readonly<Record<string, string>> = { gt: '>', gte: '>=', lt: '<', lte: '<=', eq: '=', neq: '<>' };

function filter(rows: Knex.QueryBuilder, query: URLSearchParams, db: Knex): void {
  rows.where('i.os_hidden', queryFlag(query, 'os_hidden') ?? false);
  const shielded = queryFlag(query, 'protected');
  if (shielded !== undefined) rows.where('i.protected', shielded);
  for (const tag of query.getAll('tag')) rows.whereRaw('i.tags @> ?::jsonb', [JSON.stringify([tag])]);
  const properties: Record<string, string> = {};
  for (const [key, value] of query) {
    if (CONTROLS.has(key)) continue;
    const text = TEXT_FILTERS.find((known) => known === key);
    if (text !== undefined) whereText(rows, text, value);
    else if (Object.hasOwn(NUMBER_FILTERS, key)) whereNumber(rows, key as keyof typeof NUMBER_FILTERS, value);
    else if (key === 'created_at' || key === 'updated_at') whereTime(rows, key, value, db);
    else properties[key] = value;
  }
  if (Object.keys(properties).length > 0) rows.whereRaw('i.properties @> ?::jsonb', [JSON.stringify(properties)]);
}

function whereText(rows: Knex.QueryBuilder, column: string, value: string): void {
  if (value.startsWith('in:')) rows.whereIn(`i.${column}`, listOf(value.slice(3), column));
  else rows.where(`i.${column}`, value);
}

/** `a,b` or `"a,with comma","b"`. */
function listOf(value: string, where: string): readonly string[] {
  const items = [...value.matchAll(/"((?:[^"\\]|\\.)*)"(?:,|$)|([^",]*)(?:,|$)/gy)].filter(([whole]) => whole !== '');
  if (items.reduce((length, [whole]) => length + whole.length, 0) !== value.length)
    throw refuse(`the query parameter ${where}`, 'in: and a list with commas', value);
  return items.map(([, quoted, bare]) => quoted?.replaceAll(/\\(.)/g, '$1') ?? bare ?? '');
}

function whereNumber(rows: Knex.QueryBuilder, key: keyof typeof NUMBER_FILTERS, value: string): void {
  const [column, operator, max] = NUMBER_FILTERS[key];
  if (!/^\d{1,16}$/.test(value) || Number(value) > max)
    throw refuse(`the query parameter ${key}`, `a whole number of at most ${max}`, value);
  rows.where(column, operator, Number(value));
}

/** `gt:2026-01-02T03:04:05Z`. The API shows whole seconds, so that whole seconds are compared. */
function whereTime(rows: Knex.QueryBuilder, column: string, value: string, db: Knex): void {
  const [, name = 'eq', time = ''] = /^(?:(gte?|lte?|eq|neq):)?(.+)$/.exec(value) ?? [];
  const at = Date.parse(/[zZ]|[+-]\d\d:?\d\d$/.test(time) ? time : `${time}Z`);
  // Years of more than four digits or before our era are times in JavaScript and none in the database.
  if (Number.isNaN(at) || !/^\d{4}/.test(time))
    throw refuse(`the query parameter ${column}`, 'a time such as gt:2026-01-02T03:04:05Z', value);
  rows.where(db.raw("date_trunc('second', ??)", [`i.${column}`]), COMPARISONS[name] ?? '=', new Date(at));
}

/** Nothing is null in an order: an absent text is the empty one, an absent size is below zero. */
const SORT_KEYS: Readonly<Record<string, string>> = {
  name: "coalesce(i.name, '')",
  status: 'i.status',
  container_format: "coalesce(i.container_format, '')",
  disk_format: "coalesce(i.disk_format, '')",
  size: 'coalesce(i.size, -1)',
  virtual_size: 'coalesce(i.virtual_size, -1)',
  id: 'i.id',
  created_at: 'i.created_at',
  updated_at: 'i.updated_at',
  min_disk: 'i.min_disk',
  min_ram: 'i.min_ram',
  visibility: 'i.visibility',
  owner: "coalesce(i.owner, '')",
};
const expression = (key: string) => SORT_KEYS[key] ?? 'i.id';

interface Sort {
  readonly key: string;
  readonly direction: 'asc' | 'desc';
}

/** Always ends with `id`, so that an order is total and a page never repeats or skips. */
function sortOf(query: URLSearchParams): readonly Sort[] {
  const single = query.get('sort');
  const keys = query.getAll('sort_key');
  const directions = query.getAll('sort_dir');
  if (single !== null && keys.length + directions.length > 0) throw badRequest('Old and new sorting syntax cannot be combined.');
  if (directions.length > 1 && directions.length !== keys.length)
    throw badRequest('The number of sort directions does not match the number of sort keys.');
  const asked =
    single === null
      ? (keys.length === 0 ? ['created_at'] : keys).map((key, index) => [key, directions[index] ?? directions[0] ?? 'desc'])
      : single.split(',').map((part) => part.trim().split(':'));
  const sort = asked.map(([key = '', direction = 'desc']): Sort => {
    if (!Object.hasOwn(SORT_KEYS, key)) throw refuse('the sort key', `one of ${Object.keys(SORT_KEYS).join(', ')}`, key);
    if (direction !== 'asc' && direction !== 'desc') throw refuse('the sort direction', 'asc or desc', direction);
    return { key, direction };
  });
  if (sort.length > Object.keys(SORT_KEYS).length) throw badRequest('There are more sort keys than an image has.');
  return sort.some(({ key }) => key === 'id') ? sort : [...sort, { key: 'id', direction: sort[0]?.direction ?? 'desc' }];
}

/** Rows behind the marker: equal in the first keys, and further on in the next one. Throws HttpError 400 for an unknown marker. */
async function startAfter(
  db: Knex,
  rows: Knex.QueryBuilder,
  { marker, sort, known }: { marker: string; sort: readonly Sort[]; known: Knex.QueryBuilder },
): Promise<void> {
  if ((await known.where('i.id', marker).first('i.id')) === undefined) throw badRequest(`The marker ${marker} could not be found.`);
  const ofMarker = (key: string) => `(select ${expression(key)} from image_images i where i.id = ?)`;
  rows.where((any) => {
    sort.forEach(({ key, direction }, index) => {
      const equal = sort.slice(0, index).map((earlier) => `${expression(earlier.key)} = ${ofMarker(earlier.key)}`);
      const beyond = `${expression(key)} ${direction === 'asc' ? '>' : '<'} ${ofMarker(key)}`;
      any.orWhere(
        db.raw(
          `(${[...equal, beyond].join(' and ')})`,
          Array.from({ length: index + 1 }, () => marker),
        ),
      );
    });
  });
}
