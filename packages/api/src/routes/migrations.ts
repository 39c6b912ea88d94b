import { ListMigrations, Scope } from '@kilonova/objects';
import type { Api } from '../api.ts';
import { badRequest } from '../http/api-error.ts';
import { lastOf } from '../http/query.ts';
import type { ApiRequest } from '../http/request.ts';
import { utcTime } from '../schema/times.ts';
import { migrationFields } from '../views/migration.ts';
import { render, viewOf } from '../views/view.ts';
import { collect, make, scopeFor } from './asking.ts';
import { nextLinks, pageOf } from './page.ts';
import type { Route } from './route.ts';
import { booleanOf } from './values.ts';

const POLICY = 'os_compute_api:os-migrations:index';

/** Pages, times and uuids came with 2.59, changes-before with 2.66, users and projects with 2.80. */
async function list(api: Api, request: ApiRequest) {
  const { query, version, caller } = request;
  const paged = version >= 59;
  const page = paged ? pageOf(request, api.config) : { limit: api.config.maxLimit, marker: null };
  const limit = page.limit === 0 ? api.config.maxLimit : page.limit;
  const text = (key: string, from = 1) => (version >= from ? (lastOf(query, key) ?? null) : null);
  const time = (key: string, from: number) => utcTime(text(key, from) ?? '');
  const [changesSince, changesBefore] = [time('changes-since', 59), time('changes-before', 66)];
  if (changesSince !== null && changesBefore !== null && changesSince > changesBefore)
    throw badRequest('The value of changes-since must be less than or equal to changes-before.');
  const projectId = text('project_id', 80);
  if (projectId !== null && projectId !== caller.projectId) api.policy.demand(`${POLICY}:all_projects`, caller);
  const several = (key: string) => query.get(key)?.slice() ?? null;
  const asked = make(ListMigrations, {
    scope: make(Scope, { ...scopeFor(api, request), allProjects: api.policy.allows(`${POLICY}:all_projects`, caller) }),
    ...{ serverUuid: text('instance_uuid'), statuses: several('status'), types: several('migration_type') },
    ...{ host: text('host'), sourceHost: text('source_compute'), userId: text('user_id', 80), projectId },
    ...{ changesSince, changesBefore, marker: page.marker, limit },
  });
  // No migration is ever hidden. The schema takes any text: what is no word for yes asks for those that are not.
  const hidden = booleanOf(text('hidden')) === true;
  const migrations = hidden ? [] : await collect(api, api.conductor.listMigrations(asked, request.rpc), limit);
  const view = viewOf(api, request);
  const next = paged
    ? nextLinks(
        request,
        page,
        migrations.map(({ uuid }) => uuid),
      )
    : undefined;
  return {
    migrations: migrations.map((migration) => render(migrationFields, migration, view)),
    ...(next === undefined ? {} : { migrations_links: next }),
  };
}

export const migrationRoutes: readonly Route[] = [
  { method: 'GET', path: '/os-migrations', success: 200, policies: [POLICY], handle: list },
];
