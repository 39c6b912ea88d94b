import { isDuplicate } from '../../database/failure.ts';
import { conflict, forbidden, notFound } from '../../http/error.ts';
import { optionalFlag, optionalText, queryFlag, textOf, wrapped, type Fields } from '../../http/input.ts';
import { created, noContent, ok, route, type Route } from '../../http/route.ts';
import { asAdmin, asReader, asUser, denied, newId, readsAll, type Identity } from '../identity.ts';
import { page } from '../listing.ts';

interface DomainRow {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly enabled: boolean;
}

const DEFAULT = 'default';

const taken = (error: unknown): never => {
  throw isDuplicate(error) ? conflict('Conflict occurred attempting to store domain - there is already one with this name.') : error;
};

export function domainRoutes(identity: Identity): readonly Route[] {
  const { db, config, random } = identity;
  const missing = (id: string) => notFound(`Could not find domain: ${id}.`);
  const view = (origin: string) => (row: DomainRow) => ({
    id: row.id,
    name: row.name,
    description: row.description,
    enabled: row.enabled,
    tags: [],
    options: {},
    links: { self: `${origin}/v3/domains/${row.id}` },
  });
  const find = (id: string) => db('identity_domains').where({ id }).first<DomainRow | undefined>();
  const changes = (body: Fields) => ({
    ...(body.name === undefined ? {} : { name: textOf(body.name, 'domain.name', { min: 1, max: 64 }) }),
    ...(body.description === undefined ? {} : { description: optionalText(body.description, 'domain.description') ?? '' }),
    ...(body.enabled === undefined ? {} : { enabled: optionalFlag(body.enabled, 'domain.enabled') }),
  });

  return [
    route(
      'GET',
      '/v3/domains',
      asReader(identity, (request) => {
        const rows = db<DomainRow>('identity_domains');
        const name = request.query.get('name');
        const enabled = queryFlag(request.query, 'enabled');
        if (name !== null) rows.where({ name });
        if (enabled !== undefined) rows.where({ enabled });
        return page({ request, key: 'domains', rows, view: view(request.origin), maxPage: config.maxPage });
      }),
    ),
    route(
      'POST',
      '/v3/domains',
      asAdmin(identity, async (request) => {
        const body = wrapped(await request.json(), 'domain');
        const name = textOf(body.name, 'domain.name', { min: 1, max: 64 });
        const id = newId(random);
        const [row] = await db<DomainRow>('identity_domains')
          .insert({ ...changes(body), id, name }, '*')
          .catch(taken);
        return created({ domain: view(request.origin)(row as DomainRow) });
      }),
    ),
    route(
      'GET',
      '/v3/domains/:id',
      asUser(identity, async (request, caller) => {
        const { id = '' } = request.params;
        if (!readsAll(caller) && caller.user.domain.id !== id) throw denied();
        const row = await find(id);
        if (row === undefined) throw missing(id);
        return ok({ domain: view(request.origin)(row) });
      }),
    ),
    route(
      'PATCH',
      '/v3/domains/:id',
      asAdmin(identity, async (request) => {
        const { id = '' } = request.params;
        const changed = changes(wrapped(await request.json(), 'domain'));
        if (id === DEFAULT && changed.enabled === false)
          throw forbidden('Cannot disable the default domain: everybody would be locked out.');
        if (Object.keys(changed).length > 0) await db('identity_domains').where({ id }).update(changed).catch(taken);
        const row = await find(id);
        if (row === undefined) throw missing(id);
        return ok({ domain: view(request.origin)(row) });
      }),
    ),
    route(
      'DELETE',
      '/v3/domains/:id',
      asAdmin(identity, async ({ params: { id = '' } }) => {
        const row = await find(id);
        if (row === undefined) throw missing(id);
        if (row.enabled || id === DEFAULT) throw forbidden('Cannot delete a domain that is enabled, please disable it first.');
        // One statement: children and parents of the domain's project tree go together, which the foreign key checks at its end.
        await db('identity_domains').where({ id, enabled: false }).delete();
        return noContent;
      }),
    ),
  ];
}
