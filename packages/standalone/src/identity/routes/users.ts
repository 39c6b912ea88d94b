import { isDuplicate, isMissingReference } from '../../database/failure.ts';
import { badRequest, conflict, HttpError, notFound } from '../../http/error.ts';
import { fields, optionalFlag, optionalText, queryFlag, textOf, wrapped, type Fields } from '../../http/input.ts';
import { created, noContent, ok, route, type Route } from '../../http/route.ts';
import { asAdmin, asReader, asSelfOrAdmin, asSelfOrReader, newId, type Identity } from '../identity.ts';
import { page, whole } from '../listing.ts';
import { revokeTokensOfUser } from '../tokens.ts';
import { projectView, type ProjectRow } from './projects.ts';

interface UserRow {
  readonly id: string;
  readonly domain_id: string;
  readonly name: string;
  readonly password_hash: string | null;
  readonly email: string | null;
  readonly description: string | null;
  readonly enabled: boolean;
  readonly default_project_id: string | null;
  readonly options: object;
}

const userView = (origin: string) => (row: UserRow) => ({
  id: row.id,
  name: row.name,
  domain_id: row.domain_id,
  enabled: row.enabled,
  email: row.email,
  ...(row.description === null ? {} : { description: row.description }),
  ...(row.default_project_id === null ? {} : { default_project_id: row.default_project_id }),
  password_expires_at: null,
  options: row.options,
  links: { self: `${origin}/v3/users/${row.id}` },
});

const refused = (error: unknown): never => {
  if (isDuplicate(error))
    throw conflict('Conflict occurred attempting to store user - there is already one with this name in this domain.');
  throw isMissingReference(error) ? notFound('Could not find domain of the user.') : error;
};

export function userRoutes(identity: Identity): readonly Route[] {
  const { db, config, random, passwords } = identity;
  const missing = (id: string) => notFound(`Could not find user: ${id}.`);
  const find = (id: string) => db('identity_users').where({ id }).first<UserRow | undefined>();

  const changes = async (body: Fields) => ({
    ...(body.name === undefined ? {} : { name: textOf(body.name, 'user.name', { min: 1 }) }),
    ...(body.email === undefined ? {} : { email: optionalText(body.email, 'user.email') }),
    ...(body.description === undefined ? {} : { description: optionalText(body.description, 'user.description', { max: 10_000 }) }),
    ...(body.enabled === undefined ? {} : { enabled: optionalFlag(body.enabled, 'user.enabled') }),
    ...(body.default_project_id === undefined
      ? {}
      : { default_project_id: optionalText(body.default_project_id, 'user.default_project_id') }),
    ...(body.options === undefined ? {} : { options: JSON.stringify(fields(body.options, 'user.options')) }),
    ...(body.password === undefined ? {} : { password_hash: await newHash(body.password, 'user.password') }),
  });
  const newHash = async (value: unknown, where: string) => {
    if (value === null) return null;
    if (typeof value !== 'string' || value === '' || value.length > config.maxPasswordLength)
      throw badRequest(`Invalid input for ${where}: expected text of 1 to ${config.maxPasswordLength} characters.`); // what was found is a secret
    return passwords.hash(value);
  };

  return [
    route(
      'GET',
      '/v3/users',
      asReader(identity, (request) => {
        const rows = db<UserRow>('identity_users');
        for (const column of ['name', 'domain_id'] as const) if (request.query.has(column)) rows.where(column, request.query.get(column));
        const enabled = queryFlag(request.query, 'enabled');
        if (enabled !== undefined) rows.where({ enabled });
        return page({ request, key: 'users', rows, view: userView(request.origin), maxPage: config.maxPage });
      }),
    ),
    route(
      'POST',
      '/v3/users',
      asAdmin(identity, async (request, caller) => {
        const body = wrapped(await request.json(), 'user');
        const name = textOf(body.name, 'user.name', { min: 1 });
        const domainId = optionalText(body.domain_id, 'user.domain_id') ?? caller.user.domain.id;
        const [row] = await db('identity_users')
          .insert({ ...(await changes(body)), id: newId(random), name, domain_id: domainId }, '*')
          .catch(refused);
        return created({ user: userView(request.origin)(row as UserRow) });
      }),
    ),
    route(
      'GET',
      '/v3/users/:userId',
      asSelfOrReader(identity, async (request) => {
        const { userId = '' } = request.params;
        const row = await find(userId);
        if (row === undefined) throw missing(userId);
        return ok({ user: userView(request.origin)(row) });
      }),
    ),
    route(
      'PATCH',
      '/v3/users/:userId',
      asAdmin(identity, async (request) => {
        const { userId = '' } = request.params;
        const body = wrapped(await request.json(), 'user');
        const current = await find(userId);
        if (current === undefined) throw missing(userId);
        if (body.domain_id !== undefined && body.domain_id !== current.domain_id)
          throw badRequest('Invalid input for user.domain_id: it cannot be changed.');
        const changed = await changes(body);
        await db.transaction(async (trx) => {
          if (Object.keys(changed).length > 0) await trx('identity_users').where({ id: userId }).update(changed).catch(refused);
          if (changed.password_hash !== undefined || changed.enabled === false) await revokeTokensOfUser(trx, userId);
        });
        return ok({ user: userView(request.origin)((await find(userId)) ?? current) });
      }),
    ),
    route(
      'DELETE',
      '/v3/users/:userId',
      asAdmin(identity, async ({ params: { userId = '' } }) => {
        if ((await db('identity_users').where({ id: userId }).delete()) === 0) throw missing(userId);
        return noContent;
      }),
    ),
    route('POST', '/v3/users/:userId/password', async (request) => {
      // Works without a token: the old password is the proof.
      const { userId = '' } = request.params;
      const body = wrapped(await request.json(), 'user');
      const original = textOf(body.original_password, 'user.original_password', { max: config.maxPasswordLength });
      const hash = await newHash(body.password, 'user.password');
      const row = await find(userId);
      const matches = await passwords.matches(original, row?.password_hash ?? null);
      if (!matches || row?.enabled !== true) throw new HttpError(401, 'The request you have made requires authentication.');
      await db.transaction(async (trx) => {
        await trx('identity_users').where({ id: userId }).update({ password_hash: hash });
        await revokeTokensOfUser(trx, userId);
      });
      return noContent;
    }),
    route(
      'GET',
      '/v3/users/:userId/projects',
      asSelfOrReader(identity, async (request) => {
        const { userId = '' } = request.params;
        return whole(request, 'projects', (await projectsOf(identity, userId)).map(projectView(request.origin)));
      }),
    ),
    // Groups do not exist here; clients that ask get none.
    route(
      'GET',
      '/v3/users/:userId/groups',
      asSelfOrAdmin(identity, (request) => whole(request, 'groups', [])),
    ),
    route(
      'GET',
      '/v3/groups',
      asReader(identity, (request) => whole(request, 'groups', [])),
    ),
  ];
}

/** Enabled projects in which a user holds a role. */
export async function projectsOf({ db, config }: Identity, userId: string): Promise<readonly ProjectRow[]> {
  const mine = db('identity_assignments').select('project_id').where({ user_id: userId }).whereNotNull('project_id');
  return db<ProjectRow>('identity_projects')
    .whereIn('id', mine)
    .where({ enabled: true })
    .orderBy('name')
    .orderBy('id')
    .limit(config.maxPage);
}
