import { ServiceError } from '@kilonova/rpc';

/** Every error that a caller may meet. The api turns codes into statuses in one table. */
export const errorCodes = [
  // 400
  'InvalidInput',
  'MarkerNotFound',
  'FlavorInvalid',
  'KeypairInvalid',
  'GroupInvalid',
  'ZoneInvalid',
  'HostInvalid',
  'QuotaInvalid',
  'ZoneInUse',
  'FlavorTooSmall',
  'AggregateNotEmpty',
  'ResizeInvalid',
  'MigrationInvalid',
  'HostStillUp',
  'HostUnavailable',
  // 403
  'PolicyDenied',
  'QuotaExceeded',
  // 404
  'ServerNotFound',
  'FlavorNotFound',
  'ExtraSpecNotFound',
  'FlavorAccessNotFound',
  'AggregateNotFound',
  'HostNotFound',
  'ServiceNotFound',
  'HypervisorNotFound',
  'KeypairNotFound',
  'ServerGroupNotFound',
  'MetadataKeyNotFound',
  'ActionNotFound',
  'MigrationNotFound',
  // 409
  'ServerLocked',
  'ServerStateConflict',
  'ServerBusy',
  'ServerNotReady',
  'ServiceUnavailable',
  'FlavorExists',
  'FlavorAccessExists',
  'AggregateExists',
  'AggregateHostExists',
  'HostInOtherZone',
  'HostHasServers',
  'KeypairExists',
  'IdempotencyConflict',
  'ServiceInUse',
  'Conflict',
  'AgentSuperseded',
  // 503
  'DatabaseUnavailable',
  'Overloaded',
] as const;
export type ErrorCode = (typeof errorCodes)[number];

/** `throw failure('FlavorNotFound', 'Flavor 7 could not be found.')`; the text is what the API's user reads. */
export const failure = (code: ErrorCode, message: string, details?: Record<string, unknown>): ServiceError =>
  new ServiceError(code, message, details);
