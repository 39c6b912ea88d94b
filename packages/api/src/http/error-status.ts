import type { ErrorCode } from '@kilonova/objects';
import { Busy, ConnectionLost, DeadlineExceeded, MessageTooLarge, RpcError, ServiceError, Unreachable } from '@kilonova/rpc';
import { ApiError, unavailable } from './api-error.ts';

/** Every error of the services, as the status that the client sees. */
const statusOf: Record<ErrorCode, number> = {
  InvalidInput: 400,
  MarkerNotFound: 400,
  FlavorInvalid: 400,
  KeypairInvalid: 400,
  GroupInvalid: 400,
  ZoneInvalid: 400,
  HostInvalid: 400,
  QuotaInvalid: 400,
  ZoneInUse: 400,
  FlavorTooSmall: 400,
  AggregateNotEmpty: 400,
  ResizeInvalid: 400,
  MigrationInvalid: 400,
  HostStillUp: 400,
  HostUnavailable: 400,
  PolicyDenied: 403,
  QuotaExceeded: 403,
  ServerNotFound: 404,
  FlavorNotFound: 404,
  ExtraSpecNotFound: 404,
  FlavorAccessNotFound: 404,
  AggregateNotFound: 404,
  HostNotFound: 404,
  ServiceNotFound: 404,
  HypervisorNotFound: 404,
  KeypairNotFound: 404,
  ServerGroupNotFound: 404,
  MetadataKeyNotFound: 404,
  ActionNotFound: 404,
  MigrationNotFound: 404,
  ServerLocked: 409,
  ServerStateConflict: 409,
  ServerBusy: 409,
  ServerNotReady: 409,
  ServiceUnavailable: 409,
  FlavorExists: 409,
  FlavorAccessExists: 409,
  AggregateExists: 409,
  AggregateHostExists: 409,
  HostInOtherZone: 409,
  HostHasServers: 409,
  KeypairExists: 409,
  IdempotencyConflict: 409,
  ServiceInUse: 409,
  Conflict: 409,
  AgentSuperseded: 409,
  DatabaseUnavailable: 503,
  Overloaded: 503,
};

const NOT_REACHABLE = 'The service is currently unable to handle the request. Please try again later.';

/** What a failed question to the conductor means for the client; undefined for what nobody expected. */
export function statusError(error: unknown, retryAfterSeconds: number): ApiError | undefined {
  if (error instanceof ApiError) return error;
  if (error instanceof Unreachable || error instanceof ConnectionLost || error instanceof Busy || error instanceof DeadlineExceeded)
    return unavailable(NOT_REACHABLE, retryAfterSeconds, error);
  if (error instanceof MessageTooLarge) return new ApiError(413, 'The request is too large.', {}, { cause: error });
  if (!(error instanceof ServiceError)) return undefined;
  const status = statusOf[error.code as ErrorCode] as number | undefined;
  if (status === undefined) return undefined;
  if (status === 503) return unavailable(NOT_REACHABLE, retryAfterSeconds, error);
  return new ApiError(status, error.message, {}, { cause: error });
}

/** Whether `error` carries one of the codes. */
export const hasCode = (error: unknown, ...codes: readonly ErrorCode[]): boolean =>
  error instanceof RpcError && (codes as readonly string[]).includes(error.code);
