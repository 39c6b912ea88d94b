import { badRequest } from '../http/api-error.ts';

/** Values that the schemas let through in several forms. */

const yes = new Set(['1', 't', 'true', 'on', 'y', 'yes']);
const no = new Set(['0', 'f', 'false', 'off', 'n', 'no']);

/** A boolean or one of its words in any case; undefined for anything else. */
export function booleanOf(value: unknown): boolean | undefined {
  if (typeof value === 'boolean') return value;
  const word = String(value).trim().toLowerCase();
  if (yes.has(word)) return true;
  return no.has(word) ? false : undefined;
}

/** An integer or a text of digits; the schema has seen to it. */
export const integerOf = (value: unknown): number => Number(value);

const UUID = /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i;
export const isUuid = (text: string): boolean => UUID.test(text);

/** Lower case, with dashes. */
export function canonicalUuid(text: string): string {
  const digits = text.replaceAll('urn:', '').replaceAll('uuid:', '').replaceAll(/[{}-]/g, '').toLowerCase();
  return [digits.slice(0, 8), digits.slice(8, 12), digits.slice(12, 16), digits.slice(16, 20), digits.slice(20)].join('-');
}

/** A row number of the database. @throws ApiError 400 */
export function rowNumber(text: string, name: string): number {
  if (!/^\d+$/.test(text)) throw badRequest(`Invalid input received: ${name} must be an integer`);
  const number = Number(text);
  if (number > 2_147_483_647) throw badRequest(`Invalid input received: ${name} must be <= 2147483647`);
  return number;
}
