import { failure } from '@kilonova/objects';
import { RpcError } from '@kilonova/rpc';

interface PostgresError {
  readonly code: string;
  readonly constraint?: string;
}

const isPostgresError = (error: unknown): error is Error & PostgresError =>
  error instanceof Error && typeof (error as { code?: unknown }).code === 'string' && !(error instanceof RpcError);

/** The constraint that refused the row as a double (SQLSTATE 23505), or null for any other error. */
export const doubleOf = (error: unknown): string | null =>
  isPostgresError(error) && error.code === '23505' ? (error.constraint ?? '') : null;

/** The constraint that refused a reference (SQLSTATE 23503), or null for any other error. */
export const brokenReferenceOf = (error: unknown): string | null =>
  isPostgresError(error) && error.code === '23503' ? (error.constraint ?? '') : null;

/** The check that refused a value (SQLSTATE 23514), or null for any other error. */
export const brokenCheckOf = (error: unknown): string | null =>
  isPostgresError(error) && error.code === '23514' ? (error.constraint ?? '') : null;

/**
 * Values that PostgreSQL cannot take (SQLSTATE class 22: NUL bytes, numbers out of range, unreadable times and regular
 * expressions) are the caller's mistake; anything else is returned as it is.
 */
export function asRefusal(error: unknown): unknown {
  if (!isPostgresError(error)) return error;
  if (error.code === '2201B') return failure('InvalidInput', 'Invalid input received: the regular expression cannot be read.');
  if (/^22[0-9A-Z]{3}$/.test(error.code))
    return failure('InvalidInput', 'Invalid input received: a value is out of range or not text that can be stored.');
  return error;
}
