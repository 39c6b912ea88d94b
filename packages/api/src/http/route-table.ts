import createRouter from 'find-my-way';
import type { Microversion } from '../microversion/microversion.ts';
import { isOpen, type Route } from '../routes/route.ts';
import { badRequest, notFound } from './api-error.ts';
import { actionKey } from './body.ts';
import { decoded } from './query.ts';

/** All routes of one method and path. */
export interface Place {
  readonly routes: readonly Route[];
  readonly params: Readonly<Record<string, string>>;
  readonly takesActions: boolean;
}

const LONGEST_PARAM = 1_024;

export class RouteTable {
  readonly #router = createRouter({ ignoreTrailingSlash: true, ignoreDuplicateSlashes: true, maxParamLength: LONGEST_PARAM });

  constructor(routes: readonly Route[]) {
    const places = new Map<string, Route[]>();
    for (const route of routes) {
      const { method, path } = route;
      const place = places.get(`${method} ${path}`);
      if (place !== undefined) {
        place.push(route);
        continue;
      }
      const group = [route];
      places.set(`${method} ${path}`, group);
      this.#router.on(method, path.replaceAll(/\{(\w+)\}/g, ':$1'), () => undefined, group);
    }
  }

  /** `path` below the version and the project, still encoded. @throws ApiError 404 for an unknown one, 400 for a broken one */
  find(method: string, path: string): Place {
    decoded(path);
    const found = this.#router.find(method as 'GET', path);
    if (found === null) throw notFound();
    const routes = found.store as readonly Route[];
    return { routes, params: found.params as Record<string, string>, takesActions: routes[0]?.action !== undefined };
  }
}

/** @throws ApiError 400 for an action that no microversion knows */
export function routesFor({ routes, takesActions }: Place, body: unknown): readonly Route[] {
  if (!takesActions) return routes;
  const key = actionKey(body);
  const named = routes.filter((route) => route.action === key);
  if (named.length === 0) throw badRequest(`There is no such action: ${key}`);
  return named;
}

/** @throws ApiError 404 outside every range */
export function openRoute(routes: readonly Route[], version: Microversion): Route {
  const route = routes.find((one) => isOpen(one, version));
  if (route === undefined) throw notFound();
  return route;
}
