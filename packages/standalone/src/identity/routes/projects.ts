import { isDuplicate, isMissingReference } from '../../database/failure.ts';
import { badRequest, conflict, forbidden, notFound } from '../../http/error.ts';
import { fields, optionalFlag, optionalText, queryFlag, textOf, textsOf, wrapped, type Fields } from '../../http/input.ts';
import { created, noContent, ok, route, type Route } from '../../http/route.ts';
import { asAdmin, asReader, asUser, denied, newId, readsAll, type Identity } from '../identity.ts';
import { page } from '../listing.ts';
import { projectOf } from '../session.ts';

export interface ProjectRow {
  readonly id: string;
  readonly domain_id: string;
  readonly parent_id: string | null;
  readonly name: string;
  readonly description: string;
  readonly enabled: boolean;
  readonly tags: readonly string[];
  readonly options: object;
}

export const projectView = (origin: string) => (row: ProjectRow) => ({
  id: row.id,
  name: row.name,
  domain_id: row.domain_id,
  parent_id: row.parent_id ?? row.domain_id,
  description: row.description,
  enabled: row.enabled,
  is_domain: false,
  tags: row.tags,
  options: row.options,
  links: { self: `${origin}/v3/projects/${row.id}` },
});

const refused = (error: unknown): never => {
  if (isDuplicate(error))
    throw conflict(
      'Conflict occurred attempting to store project - it is not permitted to have two projects with the same name in the same domain.',
    );
  throw isMissingReference(error) ? notFound('Could not find domain or parent of the project.') : error;
};

/** Columns of what the body names. */
const changes = (body: Fields) => ({
  ...(body.name === undefined ? {} : { name: textOf(body.name, 'project.name', { min: 1, max: 64 }) }),
  ...(body.description === undefined ? {} : { description: optionalText(body.description, 'project.description', { max: 10_000 }) ?? '' }),
  ...(body.enabled === undefined ? {} : { enabled: optionalFlag(body.enabled, 'project.enabled') }),
  ...(body.tags === undefined ? {} : { tags: JSON.stringify(textsOf(body.tags, 'project.tags', { maxItems: 80 })) }),
  ...(body.options === undefined ? {} : { options: JSON.stringify(fields(body.options, 'project.options')) }),
});

export function projectRoutes(identity: Identity): readonly Route[] {
  const { db, config, random } = identity;
  const missing = (id: string) => notFound(`Could not find project: ${id}.`);
  const find = (id: string) => db('identity_projects').where({ id }).first<ProjectRow | undefined>();

  /** The parent project of a new project; the domain itself is written as null. */
  const parentOf = async (value: unknown, domainId: string): Promise<string | null> => {
    const id = optionalText(value, 'project.parent_id') ?? domainId;
    if (id === domainId) return null;
    const parent = await find(id);
    if (parent === undefined) throw missing(id);
    if (parent.domain_id !== domainId) throw badRequest('Invalid input for project.parent_id: expected a project of the same domain.');
    return id;
  };

  return [
    route(
      'GET',
      '/v3/projects',
      asReader(identity, (request) => {
        const { query } = request;
        const rows = db<ProjectRow>('identity_projects');
        for (const column of ['name', 'domain_id'] as const) if (query.has(column)) rows.where(column, query.get(column));
        const parent = query.get('parent_id');
        if (parent !== null)
          rows.where((either) => void either.where({ parent_id: parent }).orWhere({ parent_id: null, domain_id: parent }));
        const enabled = queryFlag(query, 'enabled');
        if (enabled !== undefined) rows.where({ enabled });
        if (queryFlag(query, 'is_domain') === true) rows.whereRaw('false');
        return page({ request, key: 'projects', rows, view: projectView(request.origin), maxPage: config.maxPage });
      }),
    ),
    route(
      'POST',
      '/v3/projects',
      asAdmin(identity, async (request, caller) => {
        const body = wrapped(await request.json(), 'project');
        if (optionalFlag(body.is_domain, 'project.is_domain') === true)
          throw badRequest('Invalid input for project.is_domain: domains are made by POST /v3/domains.');
        const domainId = optionalText(body.domain_id, 'project.domain_id') ?? caller.user.domain.id;
        const row = {
          ...changes({ ...body, tags: body.tags ?? [] }),
          id: newId(random),
          name: textOf(body.name, 'project.name', { min: 1, max: 64 }),
          domain_id: domainId,
          parent_id: await parentOf(body.parent_id, domainId),
        };
        const [stored] = await db('identity_projects').insert(row, '*').catch(refused);
        return created({ project: projectView(request.origin)(stored as ProjectRow) });
      }),
    ),
    route(
      'GET',
      '/v3/projects/:id',
      asUser(identity, async (request, caller) => {
        const { id = '' } = request.params;
        if (!readsAll(caller) && projectOf(caller) !== id && !(await holdsRoleIn(identity, caller.user.id, id))) throw denied();
        const row = await find(id);
        if (row === undefined) throw missing(id);
        return ok({ project: projectView(request.origin)(row) });
      }),
    ),
    route(
      'PATCH',
      '/v3/projects/:id',
      asAdmin(identity, async (request) => {
        const { id = '' } = request.params;
        const body = wrapped(await request.json(), 'project');
        const current = await find(id);
        if (current === undefined) throw missing(id);
        for (const fixed of ['domain_id', 'parent_id'] as const)
          if (body[fixed] !== undefined && body[fixed] !== projectView('')(current)[fixed])
            throw badRequest(`Invalid input for project.${fixed}: it cannot be changed.`);
        const changed = changes(body);
        if (Object.keys(changed).length > 0) await db('identity_projects').where({ id }).update(changed).catch(refused);
        return ok({ project: projectView(request.origin)((await find(id)) ?? current) });
      }),
    ),
    route(
      'DELETE',
      '/v3/projects/:id',
      asAdmin(identity, async ({ params: { id = '' } }) => {
        const removed = await db('identity_projects')
          .where({ id })
          .delete()
          .catch((error: unknown) => {
            throw isMissingReference(error) ? forbidden(`Cannot delete the project ${id} since it is not a leaf in the hierarchy.`) : error;
          });
        if (removed === 0) throw missing(id);
        return noContent;
      }),
    ),
  ];
}

async function holdsRoleIn({ db }: Identity, userId: string, projectId: string): Promise<boolean> {
  return (await db('identity_assignments').where({ user_id: userId, project_id: projectId }).first()) !== undefined;
}
