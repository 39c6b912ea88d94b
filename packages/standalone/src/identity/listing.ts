import type { Knex } from 'knex';
import { queryLimit } from '../http/input.ts';
import { ok, type Reply, type Request } from '../http/route.ts';

interface Listing<Row> {
  readonly request: Request;
  /** The collection's name in the answer, e.g. `projects`. */
  readonly key: string;
  /** Filtered, not ordered. Rows are paged by `id`. */
  readonly rows: Knex.QueryBuilder;
  readonly view: (row: Row) => unknown;
  readonly maxPage: number;
}

/** One page of a collection, with a link to the next where there is more. */
export async function page<Row extends { readonly id: string }>({ request, key, rows, view, maxPage }: Listing<Row>): Promise<Reply> {
  const limit = queryLimit(request.query, maxPage, maxPage);
  const marker = request.query.get('marker');
  if (marker !== null) rows.where('id', '>', marker);
  const found = (await rows.orderBy('id').limit(limit + 1)) as Row[];
  const shown = found.slice(0, limit);
  const last = shown.at(-1);
  const more = found.length > limit && last !== undefined;
  const next = new URLSearchParams(request.query);
  if (more) next.set('marker', last.id);
  return ok({
    [key]: shown.map(view),
    links: links(request, more ? `${request.origin}${request.path}?${next.toString()}` : null),
    ...(more ? { truncated: true } : {}),
  });
}

/** A collection that is short by nature. */
export const whole = (request: Request, key: string, entries: readonly unknown[]): Reply =>
  ok({ [key]: entries, links: links(request, null) });

function links({ origin, path, query }: Request, next: string | null) {
  const search = query.toString();
  return { self: `${origin}${path}${search === '' ? '' : `?${search}`}`, next, previous: null };
}
