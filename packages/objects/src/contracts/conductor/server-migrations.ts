import { call, Exclude, Expose, stream, Type } from '@kilonova/rpc';
import { Scope } from '../../objects/scope.ts';
import { ServerMigration } from '../../objects/server-migration.ts';
import { ServerRef } from './servers.ts';

/** Newest first. What is null does not restrict. */
@Exclude()
export class ListMigrations {
  @Expose() @Type(() => Scope) scope!: Scope;
  @Expose() serverUuid: string | null = null;
  @Expose() statuses: string[] | null = null;
  @Expose() types: string[] | null = null;
  /** Source or destination. */
  @Expose() host: string | null = null;
  @Expose() sourceHost: string | null = null;
  @Expose() userId: string | null = null;
  @Expose() projectId: string | null = null;
  @Expose() changesSince: string | null = null;
  @Expose() changesBefore: string | null = null;
  /** The uuid of the last migration of the page before. */
  @Expose() marker: string | null = null;
  @Expose() limit!: number;
}

/** The live migrations of a server that are under way. */
@Exclude()
export class ListServerMigrations extends ServerRef {}

@Exclude()
export class ServerMigrationRef extends ServerRef {
  @Expose() migrationId!: number;
}

export const serverMigrationMethods = {
  listMigrations: stream({ since: '1.0', request: ListMigrations, item: ServerMigration }),
  listServerMigrations: stream({ since: '1.0', request: ListServerMigrations, item: ServerMigration }),
  getServerMigration: call({ since: '1.0', request: ServerMigrationRef, response: ServerMigration, idempotent: true }),
};
