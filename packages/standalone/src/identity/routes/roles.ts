import { isDuplicate, isMissingReference } from '../../database/failure.ts';
import { conflict, notFound } from '../../http/error.ts';
import { fields, optionalText, refuse, textOf, wrapped } from '../../http/input.ts';
import { created, noContent, ok, route, type Route } from '../../http/route.ts';
import { asAdmin, asReader, newId, type Identity } from '../identity.ts';
import { page } from '../listing.ts';

interface RoleRow {
  readonly id: string;
  readonly name: string;
  readonly description: string | null;
  readonly options: object;
}

export const roleView = (origin: string) => (row: RoleRow) => ({
  id: row.id,
  name: row.name,
  domain_id: null,
  description: row.description,
  options: row.options,
  links: { self: `${origin}/v3/roles/${row.id}` },
});

const taken = (error: unknown): never => {
  throw isDuplicate(error) ? conflict('Conflict occurred attempting to store role - there is already one with this name.') : error;
};

/** Roles, and which role implies which. */
export function roleRoutes(identity: Identity): readonly Route[] {
  const { db, config, random } = identity;
  const missing = (id: string) => notFound(`Could not find role: ${id}.`);
  const find = async (id: string) => {
    const row = await db('identity_roles').where({ id }).first<RoleRow | undefined>();
    if (row === undefined) throw missing(id);
    return row;
  };
  const inference = (origin: string, prior: RoleRow, implied: readonly RoleRow[]) => ({
    prior_role: short(origin, prior),
    implies: implied.map((row) => short(origin, row)),
  });
  const impliedBy = (priorId: string) =>
    db<RoleRow>('identity_roles as r')
      .join('identity_implied_roles as i', 'i.implied_id', 'r.id')
      .where('i.prior_id', priorId)
      .select('r.*')
      .orderBy('r.name');

  return [
    route(
      'GET',
      '/v3/roles',
      asReader(identity, (request) => {
        const rows = db<RoleRow>('identity_roles');
        const name = request.query.get('name');
        if (name !== null) rows.where({ name });
        // Roles of a domain do not exist here.
        if ((request.query.get('domain_id') ?? '') !== '') rows.whereRaw('false');
        return page({ request, key: 'roles', rows, view: roleView(request.origin), maxPage: config.maxPage });
      }),
    ),
    route(
      'POST',
      '/v3/roles',
      asAdmin(identity, async (request) => {
        const body = wrapped(await request.json(), 'role');
        if ((body.domain_id ?? null) !== null)
          throw refuse('role.domain_id', 'none, for roles of a domain do not exist here', body.domain_id);
        const row = {
          id: newId(random),
          name: textOf(body.name, 'role.name', { min: 1 }),
          description: optionalText(body.description, 'role.description') ?? null,
          options: JSON.stringify(fields(body.options ?? {}, 'role.options')),
        };
        const [stored] = await db('identity_roles').insert(row, '*').catch(taken);
        return created({ role: roleView(request.origin)(stored as RoleRow) });
      }),
    ),
    route(
      'GET',
      '/v3/roles/:id',
      asReader(identity, async ({ params: { id = '' }, origin }) => ok({ role: roleView(origin)(await find(id)) })),
    ),
    route(
      'PATCH',
      '/v3/roles/:id',
      asAdmin(identity, async (request) => {
        const { id = '' } = request.params;
        const body = wrapped(await request.json(), 'role');
        const current = await find(id);
        const changed = {
          name: body.name === undefined ? current.name : textOf(body.name, 'role.name', { min: 1 }),
          description: body.description === undefined ? current.description : (optionalText(body.description, 'role.description') ?? null),
        };
        await db('identity_roles').where({ id }).update(changed).catch(taken);
        return ok({ role: roleView(request.origin)({ ...current, ...changed }) });
      }),
    ),
    route(
      'DELETE',
      '/v3/roles/:id',
      asAdmin(identity, async ({ params: { id = '' } }) => {
        if ((await db('identity_roles').where({ id }).delete()) === 0) throw missing(id);
        return noContent;
      }),
    ),
    route(
      'GET',
      '/v3/role_inferences',
      asReader(identity, async ({ origin }) => {
        const priors = await db<RoleRow>('identity_roles')
          .whereIn('id', db('identity_implied_roles').select('prior_id'))
          .orderBy('name')
          .limit(config.maxPage);
        const inferences = await Promise.all(priors.map(async (prior) => inference(origin, prior, await impliedBy(prior.id))));
        return ok({ role_inferences: inferences, links: { self: `${origin}/v3/role_inferences` } });
      }),
    ),
    route(
      'GET',
      '/v3/roles/:id/implies',
      asReader(identity, async ({ params: { id = '' }, origin }) => {
        const prior = await find(id);
        return ok({ role_inference: inference(origin, prior, await impliedBy(id)), links: { self: `${origin}/v3/roles/${id}/implies` } });
      }),
    ),
    route(
      'GET',
      '/v3/roles/:id/implies/:impliedId',
      asReader(identity, async ({ params: { id = '', impliedId = '' }, origin }) => {
        const prior = await find(id);
        const implied = (await impliedBy(id)).find((row) => row.id === impliedId);
        if (implied === undefined) throw notFound(`${id} does not imply ${impliedId}.`);
        return ok({ role_inference: { prior_role: short(origin, prior), implies: short(origin, implied) } });
      }),
    ),
    route(
      'PUT',
      '/v3/roles/:id/implies/:impliedId',
      asAdmin(identity, async ({ params: { id = '', impliedId = '' }, origin }) => {
        const [prior, implied] = await Promise.all([find(id), find(impliedId)]);
        await db('identity_implied_roles')
          .insert({ prior_id: id, implied_id: impliedId })
          .catch((error: unknown) => {
            if (isMissingReference(error)) throw missing(`${id} or ${impliedId}`);
            throw isDuplicate(error) ? conflict(`${prior.name} implies ${implied.name} already.`) : error;
          });
        return created({ role_inference: { prior_role: short(origin, prior), implies: short(origin, implied) } });
      }),
    ),
    route(
      'DELETE',
      '/v3/roles/:id/implies/:impliedId',
      asAdmin(identity, async ({ params: { id = '', impliedId = '' } }) => {
        const removed = await db('identity_implied_roles').where({ prior_id: id, implied_id: impliedId }).delete();
        if (removed === 0) throw notFound(`${id} does not imply ${impliedId}.`);
        return noContent;
      }),
    ),
  ];
}

const short = (origin: string, { id, name }: RoleRow) => ({ id, name, links: { self: `${origin}/v3/roles/${id}` } });
