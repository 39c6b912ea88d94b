import { badRequest } from './api-error.ts';

/** A query string: every key with all its values, in the order given. */
export type Query = ReadonlyMap<string, readonly string[]>;

/** @throws ApiError 400 for broken percent escapes, broken UTF-8 and NUL bytes */
export function decoded(text: string): string {
  let plain: string;
  try {
    plain = decodeURIComponent(text);
  } catch {
    throw badRequest('Malformed request URL: expected percent-encoded UTF-8');
  }
  if (plain.includes('\0')) throw badRequest('Malformed request URL: NUL bytes are not allowed');
  return plain;
}

const MOST_PAIRS = 1_000;

/** @throws ApiError 400 */
export function parseQuery(text: string): Query {
  const query = new Map<string, string[]>();
  const pairs = text.split('&').filter((pair) => pair !== '');
  if (pairs.length > MOST_PAIRS) throw badRequest(`Malformed request URL: more than ${MOST_PAIRS} query parameters`);
  for (const pair of pairs) {
    const equals = pair.indexOf('=');
    const part = (piece: string) => decoded(piece.replaceAll('+', ' '));
    const key = part(equals < 0 ? pair : pair.slice(0, equals));
    const value = equals < 0 ? '' : part(pair.slice(equals + 1));
    const values = query.get(key);
    if (values === undefined) query.set(key, [value]);
    else values.push(value);
  }
  return query;
}

/** The last value of a key, as Nova reads single values. */
export const lastOf = (query: Query, key: string): string | undefined => query.get(key)?.at(-1);
