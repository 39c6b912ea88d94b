import { failure, serverActions, ServerMetadata, type ChangeServerMetadata, type ListServers, type UpdateServer } from '@kilonova/objects';
import type { Server, ServerName, ServerRef, ServerRevision } from '@kilonova/objects';
import { refuseUnlessAllowed } from '../admission/action-rules.ts';
import { limitsOf } from '../db/quotas.ts';
import { lockServer, writeMetadata, writeServer } from '../db/server-changes.ts';
import { serverNamePage, serverPage, serverRevisionPage } from '../db/server-list.ts';
import { asServer, findServer } from '../db/server-rows.ts';
import type { Services } from '../services.ts';
import { madePieces, pageLimit, pieces } from './pages.ts';
import { refuseIfDenied } from './scopes.ts';

export async function* listServers({ knex, config }: Services, request: ListServers): AsyncGenerator<readonly Server[]> {
  refuseIfDenied(request.scope);
  const limit = pageLimit(request.limit, config.conductor.pageMax);
  yield* madePieces(await serverPage(knex, config.conductor, request, limit), config.conductor.pieceRows, asServer);
}

export async function* listServerNames({ knex, config }: Services, request: ListServers): AsyncGenerator<readonly ServerName[]> {
  refuseIfDenied(request.scope);
  const limit = pageLimit(request.limit, config.conductor.pageMax);
  yield* pieces(await serverNamePage(knex, config.conductor, request, limit), config.conductor.pieceRows);
}

export async function* listServerRevisions({ knex, config }: Services, request: ListServers): AsyncGenerator<readonly ServerRevision[]> {
  refuseIfDenied(request.scope);
  const limit = pageLimit(request.limit, config.conductor.pageMax);
  yield* pieces(await serverRevisionPage(knex, config.conductor, request, limit), config.conductor.pieceRows);
}

export async function getServer({ knex, config }: Services, { scope, uuid }: ServerRef): Promise<Server> {
  const server = await findServer(knex, config.conductor, scope, uuid);
  refuseIfDenied(scope);
  return server;
}

export async function updateServer({ knex, config }: Services, { scope, uuid, changes }: UpdateServer): Promise<Server> {
  return knex.transaction(async (trx) => {
    await lockServer(trx, scope, uuid);
    refuseIfDenied(scope);
    await writeServer(trx, uuid, changes);
    return findServer(trx, config.conductor, scope, uuid);
  });
}

/** @throws ServerNotFound, ServerLocked, ServerStateConflict, ServerNotReady, MetadataKeyNotFound, QuotaExceeded */
export async function changeServerMetadata({ knex, config }: Services, request: ChangeServerMetadata): Promise<ServerMetadata> {
  const { scope, uuid } = request;
  return knex.transaction(async (trx) => {
    const server = await lockServer(trx, scope, uuid);
    refuseIfDenied(scope);
    refuseUnlessAllowed(request.how === 'remove' ? serverActions.metadataDelete : serverActions.metadataWrite, server, scope);
    const metadata = changed(server.metadata, request);
    if (request.how !== 'remove') {
      const { user } = await limitsOf(trx, config.quota, server.projectId, server.userId);
      refuseTooMuchMetadata(metadata, user.metadata_items);
    }
    await writeMetadata(trx, uuid, metadata);
    return Object.assign(new ServerMetadata(), { metadata });
  });
}

/** @throws QuotaExceeded above `most` items; -1 is unlimited */
export function refuseTooMuchMetadata(metadata: Readonly<Record<string, string>>, most: number): void {
  if (most >= 0 && Object.keys(metadata).length > most) throw failure('QuotaExceeded', `Maximum number of metadata items exceeds ${most}`);
}

function changed(current: Readonly<Record<string, string>>, { how, metadata }: ChangeServerMetadata): Record<string, string> {
  switch (how) {
    case 'replace':
      return metadata;
    case 'merge':
      return { ...current, ...metadata };
    case 'remove': {
      if (Object.keys(metadata).some((key) => !Object.hasOwn(current, key)))
        throw failure('MetadataKeyNotFound', 'Metadata item was not found');
      return Object.fromEntries(Object.entries(current).filter(([key]) => !Object.hasOwn(metadata, key)));
    }
    default:
      throw failure('InvalidInput', `how: expected replace, merge or remove, found ${how}`);
  }
}
