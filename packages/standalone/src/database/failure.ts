import { unavailable, type HttpError } from '../http/error.ts';

const codeOf = (error: unknown) => (error instanceof Error && 'code' in error ? String(error.code) : '');

export const isDuplicate = (error: unknown) => codeOf(error) === '23505';
export const isMissingReference = (error: unknown) => codeOf(error) === '23503';

/**
 * SQLSTATE classes: 08 connection, 28 and 3D login refused or database missing, 55000 no connections taken, 53 no
 * resources, 57 shutdown or cancelled, 25006 read only, 40 to be tried again.
 */
const GONE = /^(08|28|3D|55000|53|57|25006|40|ECONN|EPIPE|ENOTFOUND|ETIMEDOUT|EHOST|ENETUNREACH|EAI_)/;
const GONE_WORDS =
  /Connection terminated|timeout (expired|exceeded)|Timeout acquiring|read timeout|Unable to acquire|not queryable|Client was closed/i;

const isDatabaseGone = (error: unknown) =>
  error instanceof Error && (GONE.test(codeOf(error)) || error.name === 'KnexTimeoutError' || GONE_WORDS.test(error.message));

/** 503 for a database that does not answer; nothing for any other failure. */
export const databaseFailure = (error: unknown): HttpError | undefined =>
  isDatabaseGone(error) ? unavailable('The database does not answer. Try again later.', error) : undefined;
