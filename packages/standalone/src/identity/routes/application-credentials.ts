import { isDuplicate } from '../../database/failure.ts';
import { badRequest, conflict, forbidden, notFound } from '../../http/error.ts';
import { fields, optionalFlag, optionalText, refuse, textOf, wrapped } from '../../http/input.ts';
import { created, noContent, ok, route, type Request, type Route } from '../../http/route.ts';
import { asSelfOrAdmin, denied, newId, type Identity } from '../identity.ts';
import { whole } from '../listing.ts';
import type { Named, Session } from '../session.ts';

interface CredentialRow {
  readonly id: string;
  readonly user_id: string;
  readonly project_id: string;
  readonly name: string;
  readonly description: string | null;
  readonly role_ids: readonly string[];
  readonly unrestricted: boolean;
  readonly expires_at: Date | null;
}

/** Secrets for programs: bound to one user, one project and some of the roles held there. */
export function applicationCredentialRoutes(identity: Identity): readonly Route[] {
  const { db, config, random, passwords, clock } = identity;
  const missing = (id: string) => notFound(`Could not find application credential: ${id}.`);
  const view = async (origin: string, row: CredentialRow) => ({
    id: row.id,
    name: row.name,
    description: row.description,
    project_id: row.project_id,
    user_id: row.user_id,
    roles: await db('identity_roles').select('id', 'name').whereIn('id', row.role_ids).orderBy('name'),
    unrestricted: row.unrestricted,
    expires_at: row.expires_at === null ? null : row.expires_at.toISOString().replace('Z', '000'),
    links: { self: `${origin}/v3/users/${row.user_id}/application_credentials/${row.id}` },
  });
  const find = async ({ params: { userId = '', id = '' } }: Request) => {
    const row = await db('identity_application_credentials').where({ id, user_id: userId }).first<CredentialRow | undefined>();
    if (row === undefined) throw missing(id);
    return row;
  };
  /** A credential may not make others, unless it was made for that. */
  const refuseRestricted = ({ credential }: Session) => {
    if (credential !== undefined && !credential.unrestricted)
      throw forbidden('A restricted application credential may not manage application credentials.');
  };

  return [
    route(
      'GET',
      '/v3/users/:userId/application_credentials',
      asSelfOrAdmin(identity, async (request) => {
        const rows = db<CredentialRow>('identity_application_credentials').where({ user_id: request.params.userId ?? '' });
        const name = request.query.get('name');
        if (name !== null) rows.where({ name });
        const found = await rows.orderBy('name').limit(config.maxApplicationCredentials);
        return whole(request, 'application_credentials', await Promise.all(found.map((row) => view(request.origin, row))));
      }),
    ),
    route(
      'POST',
      '/v3/users/:userId/application_credentials',
      asSelfOrAdmin(identity, async (request, caller) => {
        refuseRestricted(caller);
        // Nobody makes credentials for others, and only for the project they are in.
        if (caller.user.id !== request.params.userId) throw denied();
        if (caller.scope.kind !== 'project') throw badRequest('Invalid token: expected one that is scoped to a project.');
        const body = wrapped(await request.json(), 'application_credential');
        refuseAccessRules(body.access_rules);
        const name = textOf(body.name, 'application_credential.name', { min: 1 });
        const secret =
          optionalText(body.secret, 'application_credential.secret', { min: 1, max: config.maxPasswordLength }) ?? random.text(64);
        const [{ count = 0 } = {}] = await db('identity_application_credentials').where({ user_id: caller.user.id }).count();
        if (Number(count) >= config.maxApplicationCredentials)
          throw forbidden(`At most ${config.maxApplicationCredentials} application credentials per user.`);
        const row = {
          id: newId(random),
          user_id: caller.user.id,
          project_id: caller.scope.project.id,
          name,
          description: optionalText(body.description, 'application_credential.description') ?? null,
          secret_hash: await passwords.hash(secret),
          role_ids: JSON.stringify(chosenRoles(body.roles, caller).map(({ id }) => id)),
          unrestricted: optionalFlag(body.unrestricted, 'application_credential.unrestricted') ?? false,
          expires_at: expiryOf(body.expires_at, clock.now()),
        };
        const [stored] = await db('identity_application_credentials')
          .insert(row, '*')
          .catch((error: unknown) => {
            throw isDuplicate(error) ? conflict(`There is already an application credential with the name ${name}.`) : error;
          });
        return created({ application_credential: { ...(await view(request.origin, stored as CredentialRow)), secret } });
      }),
    ),
    route(
      'GET',
      '/v3/users/:userId/application_credentials/:id',
      asSelfOrAdmin(identity, async (request) => ok({ application_credential: await view(request.origin, await find(request)) })),
    ),
    route(
      'DELETE',
      '/v3/users/:userId/application_credentials/:id',
      asSelfOrAdmin(identity, async (request, caller) => {
        refuseRestricted(caller);
        const { id } = await find(request);
        await db('identity_application_credentials').where({ id }).delete();
        return noContent;
      }),
    ),
  ];
}

/** Rules that nothing here would hold a credential to. Throws HttpError 400 for any. */
function refuseAccessRules(value: unknown): void {
  if (value === undefined || value === null || (Array.isArray(value) && value.length === 0)) return;
  throw refuse('application_credential.access_rules', 'none, for this identity service keeps no access rules', value);
}

/** The roles named by id or name, or all that the caller holds. Throws HttpError 400 for one that is not held. */
function chosenRoles(value: unknown, { roles }: Session): readonly Named[] {
  if (value === undefined || value === null) return roles;
  if (!Array.isArray(value) || value.length === 0 || value.length > 100)
    throw refuse('application_credential.roles', 'a list of roles', value);
  return value.map((item, index) => {
    const { id, name } = fields(item, `application_credential.roles[${index}]`);
    const held = roles.find((role) => role.id === id || (id === undefined && role.name === name));
    if (held === undefined) throw refuse(`application_credential.roles[${index}]`, 'a role that you hold in this project', item);
    return held;
  });
}

function expiryOf(value: unknown, now: number): Date | null {
  if (value === undefined || value === null) return null;
  const where = 'application_credential.expires_at';
  const written = textOf(value, where, { max: 40 });
  const at = Date.parse(/[zZ]|[+-]\d\d:\d\d$/.test(written) ? written : `${written}Z`);
  if (Number.isNaN(at) || at <= now) throw refuse(where, 'a time to come, such as 2030-01-02T03:04:05', value);
  return new Date(at);
}
