import { queryFlag } from '../../http/input.ts';
import { route, type Route } from '../../http/route.ts';
import { asUser, denied, isAdmin, readsAll, type Identity } from '../identity.ts';
import { whole } from '../listing.ts';
import { projectOf } from '../session.ts';

interface AssignmentRow {
  readonly user_id: string;
  readonly user_name: string;
  readonly user_domain_id: string;
  readonly user_domain_name: string;
  readonly role_id: string;
  readonly role_name: string;
  readonly project_id: string | null;
  readonly project_name: string | null;
  readonly domain_id: string | null;
  readonly domain_name: string | null;
}

/** `effective` adds the roles that a role implies. */
const ASSIGNMENTS = `
  with recursive given (user_id, role_id, project_id, domain_id) as (
      select user_id, role_id, project_id, domain_id from identity_assignments
    union
      select g.user_id, i.implied_id, g.project_id, g.domain_id
      from given g join identity_implied_roles i on i.prior_id = g.role_id
      where ?::boolean
  )
  select g.user_id, u.name as user_name, u.domain_id as user_domain_id, ud.name as user_domain_name,
    g.role_id, r.name as role_name, g.project_id, p.name as project_name, d.id as domain_id, d.name as domain_name
  from given g
  join identity_users u on u.id = g.user_id
  join identity_domains ud on ud.id = u.domain_id
  join identity_roles r on r.id = g.role_id
  left join identity_projects p on p.id = g.project_id
  left join identity_domains d on d.id = coalesce(g.domain_id, p.domain_id)`;

const FILTERS = {
  'user.id': 'user_id',
  'role.id': 'role_id',
  'scope.project.id': 'project_id',
} as const;

/** GET /v3/role_assignments, with names on request. Users see their own; administrators of a project those of the project. */
export function assignmentListRoutes(identity: Identity): readonly Route[] {
  const { db, config } = identity;
  return [
    route(
      'GET',
      '/v3/role_assignments',
      asUser(identity, async (request, caller) => {
        const { query, origin } = request;
        const ownOnly = query.get('user.id') === caller.user.id || (isAdmin(caller) && query.get('scope.project.id') === projectOf(caller));
        if (!readsAll(caller) && !ownOnly) throw denied();
        const rows = db
          .select<AssignmentRow[]>('a.*')
          .from(db.raw(`(${ASSIGNMENTS}) as a`, [queryFlag(query, 'effective') ?? false]))
          .orderBy(['user_id', 'role_id', 'project_id', 'domain_id'])
          .limit(config.maxPage);
        for (const [name, column] of Object.entries(FILTERS)) if (query.has(name)) rows.where(column, query.get(name));
        if (query.has('scope.domain.id')) rows.where({ project_id: null, domain_id: query.get('scope.domain.id') });
        if (query.has('scope.system')) rows.where({ project_id: null, domain_id: null });
        if (query.has('group.id') || query.has('scope.OS-INHERIT:inherited_to')) rows.whereRaw('false');
        const names = queryFlag(query, 'include_names') ?? false;
        return whole(
          request,
          'role_assignments',
          (await rows).map((row) => view(origin, row, names)),
        );
      }),
    ),
  ];
}

function view(origin: string, row: AssignmentRow, names: boolean): object {
  const named = (id: string, fields: object) => ({ id, ...(names ? fields : {}) });
  const domain = { id: row.domain_id, name: row.domain_name };
  const [scope, path] =
    row.project_id !== null
      ? [{ project: named(row.project_id, { name: row.project_name, domain }) }, `projects/${row.project_id}`]
      : row.domain_id !== null
        ? [{ domain: named(row.domain_id, { name: row.domain_name }) }, `domains/${row.domain_id}`]
        : [{ system: { all: true } }, 'system'];
  return {
    user: named(row.user_id, { name: row.user_name, domain: { id: row.user_domain_id, name: row.user_domain_name } }),
    role: named(row.role_id, { name: row.role_name }),
    scope,
    links: { assignment: `${origin}/v3/${path}/users/${row.user_id}/roles/${row.role_id}` },
  };
}
