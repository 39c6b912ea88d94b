import type { ApiConfig } from '../config.ts';
import type { Link } from '../http/links.ts';
import { lastOf } from '../http/query.ts';
import type { ApiRequest } from '../http/request.ts';

export interface Page {
  readonly limit: number;
  readonly marker: string | null;
}

/** limit and marker of the query; the schema has checked the limit. An empty limit counts as none. */
export function pageOf({ query }: Pick<ApiRequest, 'query'>, { maxLimit }: Pick<ApiConfig, 'maxLimit'>): Page {
  const asked = lastOf(query, 'limit');
  const limit = asked === undefined || asked === '' ? maxLimit : Math.min(Number(asked), maxLimit);
  return { limit, marker: lastOf(query, 'marker') ?? null };
}

/** The link to the next page: there when this one is full. All keys of the query stay, the marker is the last item's. */
export function nextLinks(
  request: Pick<ApiRequest, 'query' | 'links' | 'path'>,
  { limit }: Page,
  ids: readonly string[],
): readonly Link[] | undefined {
  const last = ids.at(-1);
  if (limit === 0 || ids.length !== limit || last === undefined) return undefined;
  const entries = [...request.query]
    .filter(([key]) => key !== 'marker')
    .flatMap(([key, values]) => values.map((value) => [key, value] as [string, string]));
  const query = new URLSearchParams([...entries, ['marker', last]]).toString();
  return [{ rel: 'next', href: `${request.links.self(request.path)}?${query}` }];
}
