import { failure } from '@kilonova/objects';
import { isStalePlan } from './prepared-statements.ts';

/** Classes 08 (connection), 53 (resources), 57P (shutdown), and statements that took too long. */
const CODES = /^(08...|53...|57P0[1-5]|57014|55P03|25P03)$/;
const SOCKET_CODES = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH']);
/** knex puts the statement before the message. */
const TEXTS =
  /(?:^| - )(Connection terminated|timeout expired$|timeout exceeded when trying to connect|Query read timeout|Client has encountered a connection error)|is not currently accepting connections$|Unable to acquire a connection|Timeout acquiring a connection/;

/** Whether the database could not be asked, as opposed to: it was asked and said no. */
export function isUnavailable(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code, name, message } = error as Error & { code?: unknown };
  if (typeof code === 'string' && (CODES.test(code) || SOCKET_CODES.has(code))) return true;
  if (name === 'KnexTimeoutError' || TEXTS.test(message)) return true;
  return error instanceof AggregateError && error.errors.length > 0 && error.errors.every(isUnavailable);
}

/** Whether it only took too long to get what somebody else has locked: others may fare better than these rows. */
export const isLockedOut = (error: unknown): boolean => error instanceof Error && (error as { code?: unknown }).code === '55P03';

/** What a second try settles: a race that was lost (serialization failure, deadlock), or a plan from before a migration. */
export const isTransient = (error: unknown): boolean =>
  (error instanceof Error && ['40001', '40P01'].includes(String((error as { code?: unknown }).code))) || isStalePlan(error);

/** The one place where the database's absence becomes an error that callers know (DatabaseUnavailable, 503). */
export function asServiceError(error: unknown): unknown {
  if (!isUnavailable(error)) return error;
  const mapped = failure('DatabaseUnavailable', 'The database is not available.');
  mapped.cause = error;
  return mapped;
}
