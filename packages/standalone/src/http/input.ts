import { badRequest } from './error.ts';

/** Reads of untrusted JSON. Each throws HttpError 400 that says where, what was expected and, unless it is a secret, what was found. */
export type Fields = Readonly<Record<string, unknown>>;

const describe = (value: unknown) => {
  if (value === undefined) return 'nothing';
  const shown = JSON.stringify(value);
  return shown.length > 60 ? `${shown.slice(0, 60)}…` : shown;
};
/** Where proofs of who somebody is are read: an answer, which others may log, never shows what was found there. */
const PROOF = /^auth\.identity|password|secret/;

export const refuse = (where: string, expected: string, value: unknown) =>
  badRequest(`Invalid input for ${where}: expected ${expected}${PROOF.test(where) ? '' : `, found ${describe(value)}`}.`);

export function fields(value: unknown, where: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw refuse(where, 'an object', value);
  return value as Fields;
}

/** The object under the one key that a request body carries. */
export const wrapped = (body: unknown, key: string): Fields => fields(fields(body, 'the body')[key], key);

export function textOf(value: unknown, where: string, { min = 0, max = 255 } = {}): string {
  if (typeof value !== 'string' || value.length < min || value.length > max || (min > 0 && value.trim() === ''))
    throw refuse(
      where,
      `text of ${min} to ${max} characters`,
      typeof value === 'string' && value.length > max ? `${value.slice(0, 20)}…` : value,
    );
  return value;
}

export const optionalText = (value: unknown, where: string, bounds: { min?: number; max?: number } = {}): string | null | undefined =>
  value === undefined || value === null ? value : textOf(value, where, bounds);

export function flagOf(value: unknown, where: string): boolean {
  if (typeof value !== 'boolean') throw refuse(where, 'true or false', value);
  return value;
}

export const optionalFlag = (value: unknown, where: string): boolean | undefined =>
  value === undefined ? undefined : flagOf(value, where);

export function integerOf(value: unknown, where: string, { min = 0, max = 2 ** 31 - 1 } = {}): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < min || value > max)
    throw refuse(where, `a whole number from ${min} to ${max}`, value);
  return value;
}

export function textsOf(value: unknown, where: string, { maxItems = 128, max = 255 } = {}): readonly string[] {
  if (!Array.isArray(value) || value.length > maxItems) throw refuse(where, `a list of at most ${maxItems} texts`, value);
  return value.map((item, index) => textOf(item, `${where}[${index}]`, { max }));
}

/** A query value that means yes or no. */
export function queryFlag(query: URLSearchParams, name: string): boolean | undefined {
  const value = query.get(name);
  if (value === null) return undefined;
  if (['true', '1', 'yes', 'on', ''].includes(value.toLowerCase())) return true;
  if (['false', '0', 'no', 'off'].includes(value.toLowerCase())) return false;
  throw refuse(`the query parameter ${name}`, 'true or false', value);
}

/** `limit` of a list, or `fallback`; never above `max`. */
export function queryLimit(query: URLSearchParams, fallback: number, max: number): number {
  const value = query.get('limit');
  if (value === null) return Math.min(fallback, max);
  if (!/^\d{1,9}$/.test(value)) throw refuse('the query parameter limit', 'a whole number of at least 0', value);
  return Math.min(Number(value), max);
}
