import { call, Empty, Exclude, Expose, stream, Type } from '@kilonova/rpc';
import { Image } from '../../objects/image.ts';
import { Scope } from '../../objects/scope.ts';
import { ServerAction } from '../../objects/server-action.ts';
import { Server, ServerName, ServerRevision } from '../../objects/server.ts';

@Exclude()
export class CreateServers {
  @Expose() @Type(() => Scope) scope!: Scope;
  /** The client's Idempotency-Key, else the request id; unique per project, user and route. */
  @Expose() idempotencyKey!: string;
  /** SHA-256 of the body, hex. */
  @Expose() bodyHash!: string;
  @Expose() name!: string;
  @Expose() hostname: string | null = null;
  @Expose() description: string | null = null;
  @Expose() minCount: number = 1;
  @Expose() maxCount: number = 1;
  @Expose() flavorId!: string;
  @Expose() @Type(() => Image) image: Image | null = null;
  @Expose() keyName: string | null = null;
  @Expose() metadata: Record<string, string> = {};
  @Expose() tags: string[] = [];
  @Expose() availabilityZone: string | null = null;
  /** From `zone:host`; skips the filters. */
  @Expose() forcedHost: string | null = null;
  @Expose() requestedHost: string | null = null;
  @Expose() hints: Record<string, unknown> = {};
  @Expose() userData: string | null = null;
  @Expose() configDrive: boolean = false;
  /** AUTO or MANUAL. */
  @Expose() diskConfig: string = 'MANUAL';
  @Expose() accessIpV4: string | null = null;
  @Expose() accessIpV6: string | null = null;
  /** Name of the policy that refuses this caller a flavor without a root disk; null when nothing refuses. */
  @Expose({ since: 5 }) zeroDiskDeniedBy: string | null = null;
}

@Exclude()
export class ServersCreated {
  @Expose() reservationId!: string;
  @Expose() serverUuids: string[] = [];
  /** An earlier request with this key did it. */
  @Expose() replayed: boolean = false;
}

/** `name` and `values`: equality or one of several; what the API calls differently is translated by the api. */
@Exclude()
export class ServerFilters {
  /** POSIX regular expression. */
  @Expose() name: string | null = null;
  /** Statuses as clients see them. */
  @Expose() statuses: string[] | null = null;
  @Expose() vmStates: string[] | null = null;
  @Expose() taskStates: (string | null)[] | null = null;
  @Expose() powerStates: number[] | null = null;
  @Expose() uuids: string[] | null = null;
  @Expose() imageIds: string[] | null = null;
  @Expose() flavorIds: string[] | null = null;
  @Expose() projectIds: string[] | null = null;
  @Expose() userIds: string[] | null = null;
  @Expose() hosts: string[] | null = null;
  @Expose() nodes: string[] | null = null;
  @Expose() availabilityZones: string[] | null = null;
  @Expose() keyNames: string[] | null = null;
  @Expose() hostnames: string[] | null = null;
  @Expose() descriptions: string[] | null = null;
  @Expose() reservationIds: string[] | null = null;
  @Expose() launchIndexes: number[] | null = null;
  @Expose() configDrive: boolean | null = null;
  /** AUTO or MANUAL. */
  @Expose() diskConfig: string | null = null;
  @Expose() locked: boolean | null = null;
  @Expose() accessIpV4: string | null = null;
  @Expose() accessIpV6: string | null = null;
  /** ISO 8601 */
  @Expose() createdAt: string | null = null;
  @Expose() launchedAt: string | null = null;
  @Expose() terminatedAt: string | null = null;
  @Expose() progress: number | null = null;
  /** Metadata keys and values that must all hold. */
  @Expose() metadata: Record<string, string> | null = null;
  @Expose() tags: string[] | null = null;
  @Expose() tagsAny: string[] | null = null;
  @Expose() notTags: string[] | null = null;
  @Expose() notTagsAny: string[] | null = null;
  /** Also brings deleted ones. */
  @Expose() changesSince: string | null = null;
  @Expose() changesBefore: string | null = null;
  /** true: only deleted, false: only living, null: as changesSince says. */
  @Expose() deleted: boolean | null = null;
  /** Nothing can match (an unknown status up to 2.37). */
  @Expose() nothing: boolean = false;
}

@Exclude()
export class ListServers {
  @Expose() @Type(() => Scope) scope!: Scope;
  @Expose() @Type(() => ServerFilters) filters!: ServerFilters;
  /** Names as in the API's sort_key. */
  @Expose() sortKeys: string[] = [];
  /** asc or desc; the last one counts for the rest. */
  @Expose() sortDirections: string[] = [];
  @Expose() marker: string | null = null;
  @Expose() limit!: number;
  /** Each server says its revision. */
  @Expose({ since: 4 }) revised: boolean = false;
}

@Exclude()
export class ServerRef {
  @Expose() @Type(() => Scope) scope!: Scope;
  @Expose() uuid!: string;
}

/** Only what is not undefined changes; null clears. */
@Exclude()
export class UpdateServer extends ServerRef {
  @Expose() changes: {
    name?: string;
    description?: string | null;
    hostname?: string;
    accessIpV4?: string | null;
    accessIpV6?: string | null;
    /** AUTO or MANUAL. */
    diskConfig?: string;
  } = {};
}

/** One of the actions of `states/server-actions.ts`. */
@Exclude()
export class ActOnServer extends ServerRef {
  /**
   * start, stop, reboot, delete, forceDelete, lock, unlock, resetState, resize, migrate, confirmResize, revertResize,
   * liveMigrate, abortMigration, forceCompleteMigration, evacuate
   */
  @Expose() action!: string;
  /**
   * reboot: { type: SOFT | HARD }, lock: { reason }, resetState: { state: active | error },
   * resize: { flavorId, diskConfig: AUTO | MANUAL | null, zeroDiskDeniedBy: policy | null }, migrate: { host: name | null },
   * liveMigrate: { host: name | null, force: true | null }, abortMigration: { id, early: true | null (also before it runs) },
   * forceCompleteMigration: { id }, evacuate: { host: name | null, force: true | null, stopped: true | null }
   */
  @Expose() options: Record<string, string | null> = {};
}

@Exclude()
export class ChangeServerMetadata extends ServerRef {
  /** replace: exactly these; merge: these besides; remove: the keys of these. */
  @Expose() how!: string;
  @Expose() metadata: Record<string, string> = {};
}

@Exclude()
export class ServerMetadata {
  @Expose() metadata: Record<string, string> = {};
}

@Exclude()
export class ListServerActions extends ServerRef {
  @Expose() limit!: number;
  /** A request id. */
  @Expose() marker: string | null = null;
  @Expose() changesSince: string | null = null;
  @Expose() changesBefore: string | null = null;
}

@Exclude()
export class ServerActionRef extends ServerRef {
  @Expose() actionRequestId!: string;
}

export const serverMethods = {
  createServers: call({ since: '1.0', request: CreateServers, response: ServersCreated, idempotent: true }),
  listServers: stream({ since: '1.0', request: ListServers, item: Server }),
  listServerNames: stream({ since: '1.0', request: ListServers, item: ServerName }),
  listServerRevisions: stream({ since: '1.4', request: ListServers, item: ServerRevision }),
  getServer: call({ since: '1.0', request: ServerRef, response: Server, idempotent: true }),
  updateServer: call({ since: '1.0', request: UpdateServer, response: Server }),
  actOnServer: call({ since: '1.0', request: ActOnServer, response: Empty }),
  changeServerMetadata: call({ since: '1.0', request: ChangeServerMetadata, response: ServerMetadata }),
  listServerActions: stream({ since: '1.0', request: ListServerActions, item: ServerAction }),
  getServerAction: call({ since: '1.0', request: ServerActionRef, response: ServerAction, idempotent: true }),
};
