import type { Knex } from 'knex';
import { isMissingReference } from '../../database/failure.ts';
import { notFound } from '../../http/error.ts';
import { noContent, route, type Request, type Route } from '../../http/route.ts';
import { asAdmin, asReader, type Identity } from '../identity.ts';
import { whole } from '../listing.ts';
import { roleView } from './roles.ts';

/** Where a role is held. Both null: the whole system. */
interface Target {
  readonly project_id: string | null;
  readonly domain_id: string | null;
}

const TARGETS: readonly { readonly path: string; readonly of: (request: Request) => Target }[] = [
  { path: '/v3/projects/:targetId', of: ({ params }) => ({ project_id: params.targetId ?? '', domain_id: null }) },
  { path: '/v3/domains/:targetId', of: ({ params }) => ({ project_id: null, domain_id: params.targetId ?? '' }) },
  { path: '/v3/system', of: () => ({ project_id: null, domain_id: null }) },
];

/** PUT, GET, HEAD and DELETE of a user's roles in a project, a domain or the system. */
export function assignmentRoutes(identity: Identity): readonly Route[] {
  const { db } = identity;
  return TARGETS.flatMap(({ path, of }) => {
    const roles = `${path}/users/:userId/roles`;
    const held = (request: Request) => ({ ...of(request), user_id: request.params.userId ?? '' });
    const one = (request: Request) => ({ ...held(request), role_id: request.params.roleId ?? '' });
    const check = asReader(identity, async (request) => {
      if ((await db('identity_assignments').where(one(request)).first()) === undefined) throw missing(request);
      return noContent;
    });
    return [
      route(
        'GET',
        roles,
        asReader(identity, async (request) => {
          await refuseUnknown(db, of(request), request.params.userId ?? '');
          const rows = await db('identity_roles')
            .whereIn('id', db('identity_assignments').select('role_id').where(held(request)))
            .orderBy('name');
          return whole(request, 'roles', rows.map(roleView(request.origin)));
        }),
      ),
      route(
        'PUT',
        `${roles}/:roleId`,
        asAdmin(identity, async (request) => {
          await db('identity_assignments')
            .insert(one(request))
            .onConflict()
            .ignore()
            .catch((error: unknown) => {
              throw isMissingReference(error) ? notFound('Could not find the user, the role, or where it should be given.') : error;
            });
          return noContent;
        }),
      ),
      route('HEAD', `${roles}/:roleId`, check),
      route('GET', `${roles}/:roleId`, check),
      route(
        'DELETE',
        `${roles}/:roleId`,
        asAdmin(identity, async (request) => {
          if ((await db('identity_assignments').where(one(request)).delete()) === 0) throw missing(request);
          return noContent;
        }),
      ),
    ];
  });
}

const missing = ({ params: { userId, roleId } }: Request) =>
  notFound(`Could not find role assignment with role: ${roleId}, user: ${userId}.`);

async function refuseUnknown(db: Knex, { project_id: project, domain_id: domain }: Target, user: string): Promise<void> {
  const wanted = [
    ['identity_users', 'user', user],
    ['identity_projects', 'project', project],
    ['identity_domains', 'domain', domain],
  ] as const;
  for (const [table, what, id] of wanted)
    if (id !== null && (await db(table).where({ id }).first()) === undefined) throw notFound(`Could not find ${what}: ${id}.`);
}
