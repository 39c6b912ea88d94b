import { ok, route, type Route } from '../../http/route.ts';
import { asUser, type Identity } from '../identity.ts';
import { whole } from '../listing.ts';
import { projectView } from './projects.ts';
import { projectsOf } from './users.ts';

/** What the caller may ask a scope for. */
export function ownRoutes(identity: Identity): readonly Route[] {
  const { db, config } = identity;
  return [
    route(
      'GET',
      '/v3/auth/projects',
      asUser(identity, async (request, { user }) =>
        whole(request, 'projects', (await projectsOf(identity, user.id)).map(projectView(request.origin))),
      ),
    ),
    route(
      'GET',
      '/v3/auth/domains',
      asUser(identity, async (request, { user }) => {
        const mine = db('identity_assignments').select('domain_id').where({ user_id: user.id }).whereNotNull('domain_id');
        const rows = await db('identity_domains').whereIn('id', mine).where({ enabled: true }).orderBy('name').limit(config.maxPage);
        return whole(
          request,
          'domains',
          rows.map((row) => ({ ...row, links: { self: `${request.origin}/v3/domains/${row.id}` } })),
        );
      }),
    ),
    route(
      'GET',
      '/v3/auth/system',
      asUser(identity, async (request, { user }) => {
        const held = await db('identity_assignments').where({ user_id: user.id, project_id: null, domain_id: null }).first();
        return ok({ system: held === undefined ? [] : [{ all: true }], links: { self: `${request.origin}${request.path}` } });
      }),
    ),
  ];
}
