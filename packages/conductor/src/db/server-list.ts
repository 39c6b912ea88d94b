import { failure, ServerName, ServerRevision, type ListServers } from '@kilonova/objects';
import type { Knex } from 'knex';
import { isUuid, rowsOf } from './rows.ts';
import { conditionsOf, hostsInZones } from './server-filters.ts';
import { REVISED_SERVER_SELECT, REVISION_SELECT, SERVER_SELECT, type ServerRow, type ServerView } from './server-rows.ts';
import { behindMarker, keyOf, orderOf, rangesOf, sortsOf, type Range, type Sort } from './server-sorts.ts';

/** A statement with what it binds. */
export interface PageStatement {
  readonly sql: string;
  readonly bindings: Readonly<Record<string, unknown>>;
}

/** What a page shows of each row `i`. */
export interface Shown {
  readonly fields: string;
  /** Behind `instances i`. */
  readonly joins: string;
}

const WHOLE: Shown = SERVER_SELECT;
const REVISED: Shown = REVISED_SERVER_SELECT;
const REVISIONS: Shown = REVISION_SELECT;
const NAMES: Shown = { fields: 'i.uuid, i.name', joins: '' };

/**
 * Which index a filtered list is best read by depends on the values: such a statement is planned each time, with them (a text
 * that begins with a comment is not prepared).
 */
const PLANNED_EACH_TIME = '/* planned each time */ ';

/** Where the marker is: the number of its range. @throws MarkerNotFound for one outside the scope */
async function rangeOfMarker(knex: Knex, view: ServerView, { scope, marker }: ListServers, ranges: readonly Range[]): Promise<number> {
  if (marker === null) return 0;
  const cases = ranges.map(({ holds }, index) => `when ${holds('i')} then ${index}`).join(' ');
  const found = isUuid(marker)
    ? await rowsOf<{ range: number }>(
        knex,
        `select case ${cases} end as range from instances i
         where i.uuid = :marker and (cast(:allProjects as boolean) or i.project_id = :projectId)`,
        { marker, allProjects: scope.allProjects, projectId: scope.projectId, defaultZone: view.defaultZone },
      )
    : [];
  if (found[0] === undefined) throw failure('MarkerNotFound', `marker [${marker}] not found`);
  return found[0].range;
}

/** The statement of one page; what it depends on is looked up first. @throws MarkerNotFound, InvalidInput */
export async function pageStatement(
  knex: Knex,
  view: ServerView,
  request: ListServers,
  limit: number,
  shown: Shown,
): Promise<PageStatement> {
  const { scope, marker } = request;
  const sorts = sortsFor(request);
  const filters = conditionsOf(request.filters, await hostsInZones(knex, request.filters, view.defaultZone));
  const ranges = rangesOf(sorts);
  const markerRange = await rangeOfMarker(knex, view, request, ranges);
  const left = ranges.slice(markerRange);
  const whereOf = ({ holds, sorts: inner }: Range, index: number) =>
    [
      // The plain comparison lets the indexes that begin with the project serve it.
      ...(scope.allProjects ? [] : ['i.project_id = :projectId']),
      ...filters.map(({ sql }) => sql),
      ...(ranges.length > 1 ? [holds('i')] : []),
      ...(marker !== null && index === 0 ? [behindMarker(inner, ranges.length > 1 ? sorts[0] : undefined)] : []),
    ].join(' and ') || 'true';
  const [only] = left;
  const sql =
    left.length === 1
      ? `select ${shown.fields} from instances i ${shown.joins} where ${whereOf(only!, 0)} order by ${orderOf(only!.sorts)} limit :limit`
      : inRanges(left, sorts, shown, whereOf);
  const isPlain = left.length === 1 && filters.length === 1 && request.filters.deleted === false;
  const bindings: Record<string, unknown> = {
    ...Object.assign({}, ...filters.map((filter) => filter.bindings)),
    ...{ projectId: scope.projectId, marker, limit, defaultZone: view.defaultZone, serviceDownMs: view.serviceDownMs },
  };
  return { sql: isPlain ? sql : PLANNED_EACH_TIME + sql, bindings };
}

/** Rows of one project are equal in their project. */
function sortsFor(request: ListServers): readonly Sort[] {
  const sorts = sortsOf(request);
  return request.scope.allProjects ? sorts : sorts.filter(({ column }) => column !== 'project_id');
}

/** As many of each range as the page could need, of which the first are the page. */
function inRanges(
  ranges: readonly Range[],
  sorts: readonly Sort[],
  shown: Shown,
  whereOf: (range: Range, index: number) => string,
): string {
  const keys = sorts.map((sort, index) => `${keyOf('i', sort)} as "key${index}"`).join(', ');
  const parts = ranges.map(
    (range, index) =>
      `(select ${index} as "range", ${keys}, i.uuid from instances i where ${whereOf(range, index)} order by ${orderOf(range.sorts)} limit :limit)`,
  );
  const order = orderOf(sorts, (sort) => `p."key${sorts.indexOf(sort)}"`);
  return `select ${shown.fields} from (
      select * from (${parts.join(' union all ')}) p order by p."range", ${order} limit :limit
    ) p join instances i on i.uuid = p.uuid ${shown.joins} order by p."range", ${order}`;
}

async function page<Row>(knex: Knex, view: ServerView, request: ListServers, limit: number, shown: Shown): Promise<Row[]> {
  const { sql, bindings } = await pageStatement(knex, view, request, limit, shown);
  return rowsOf<Row>(knex, sql, bindings);
}

/** One page, of rows for `asServer`: one statement, one more to look for a marker, and one for the hosts of a zone. @throws MarkerNotFound, InvalidInput */
export const serverPage = (knex: Knex, view: ServerView, request: ListServers, limit: number): Promise<ServerRow[]> =>
  page<ServerRow>(knex, view, request, limit, request.revised ? REVISED : WHOLE);

const pageOf =
  <T extends object>(type: new () => T, shown: Shown) =>
  async (knex: Knex, view: ServerView, request: ListServers, limit: number): Promise<T[]> =>
    (await page<object>(knex, view, request, limit, shown)).map((row) => Object.assign(new type(), row));

/** The same page, uuids and names only. */
export const serverNamePage = pageOf(ServerName, NAMES);

/** The same page, uuids and revisions only. */
export const serverRevisionPage = pageOf(ServerRevision, REVISIONS);
