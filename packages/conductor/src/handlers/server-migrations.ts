import { failure, type ListMigrations, type ListServerMigrations, type ServerMigration, type ServerMigrationRef } from '@kilonova/objects';
import { isUuid } from '../db/rows.ts';
import * as migrations from '../db/server-migrations.ts';
import { findServer } from '../db/server-rows.ts';
import type { Services } from '../services.ts';
import { pageLimit, pieces } from './pages.ts';
import { refuseIfDenied } from './scopes.ts';

/** A scope of one project sees what that project's people asked for. @throws MarkerNotFound */
export async function* listMigrations({ knex, config }: Services, request: ListMigrations): AsyncGenerator<readonly ServerMigration[]> {
  const { scope, serverUuid, marker, projectId } = request;
  refuseIfDenied(scope);
  if (marker !== null && !isUuid(marker)) throw failure('MarkerNotFound', `Marker ${marker} could not be found.`);
  if (serverUuid !== null && !isUuid(serverUuid)) return;
  if (!scope.allProjects && projectId !== null && projectId !== scope.projectId) return;
  const filters = { ...request, projectId: scope.allProjects ? projectId : scope.projectId };
  const limit = pageLimit(request.limit, config.conductor.pageMax);
  yield* pieces(await migrations.migrationPage(knex, filters, limit), config.conductor.pieceRows);
}

/** @throws ServerNotFound */
export async function* listServerMigrations(
  { knex, config }: Services,
  { scope, uuid }: ListServerMigrations,
): AsyncGenerator<readonly ServerMigration[]> {
  await findServer(knex, config.conductor, scope, uuid);
  refuseIfDenied(scope);
  const found = await migrations.liveMigrations(knex, uuid);
  if (found.length > 0) yield found;
}

/** @throws ServerNotFound, MigrationNotFound for one that is not under way */
export async function getServerMigration(services: Services, { scope, uuid, migrationId }: ServerMigrationRef): Promise<ServerMigration> {
  const { knex, config } = services;
  await findServer(knex, config.conductor, scope, uuid);
  refuseIfDenied(scope);
  const found = await migrations.findMigration(knex, uuid, migrationId);
  if (found === undefined) throw notFound(`In-progress live migration ${migrationId} is not found for server ${uuid}.`);
  if (found.type !== 'live-migration') throw notFound(`Migration ${migrationId} for server ${uuid} is not live-migration.`);
  if (!migrations.UNDER_WAY.includes(found.status)) throw notFound(`Live migration ${migrationId} for server ${uuid} is not in progress.`);
  return found;
}

const notFound = (message: string) => failure('MigrationNotFound', message);
