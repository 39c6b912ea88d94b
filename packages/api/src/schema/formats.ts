import { isIPv4, isIPv6 } from 'node:net';
import { utcTime } from './times.ts';

/** The formats of the Compute API's schemas; rules and texts as the contract's README of schemas gives them. */

/** Every character below U+FFFF that is neither control, unassigned nor a separator other than the spaces. */
const PRINTABLE = /^[\p{L}\p{M}\p{N}\p{P}\p{S}\p{Zs}]*$/u;
const ABOVE_BMP = /[\u{FFFF}-\u{10FFFF}]/u;
const printable = (text: string) => PRINTABLE.test(text) && !ABOVE_BMP.test(text);
const trimmed = (text: string) => !/^\s|\s$/u.test(text);

function isBase64(text: string): boolean {
  if (/[^\u0000-\u007f]/.test(text)) return false;
  const [digits = '', ...rest] = text.replaceAll(/[^A-Za-z0-9+/=]/g, '').split(/(?==)/);
  const padding = rest.length;
  if (rest.some((part) => part !== '=')) return false;
  const odd = digits.length % 4;
  return odd === 0 || (odd === 2 && padding >= 2) || (odd === 3 && padding >= 1);
}

function isCidr(text: string): boolean {
  const [address = '', prefix, ...rest] = text.split('/');
  if (prefix === undefined || rest.length > 0 || /\s/.test(text)) return false;
  if (/^\d{1,3}$/.test(prefix)) return (isIPv4(address) && Number(prefix) <= 32) || (isIPv6(address) && Number(prefix) <= 128);
  return isIPv4(address) && isIPv4(prefix);
}

function isUuid(text: string): boolean {
  const plain = text
    .replaceAll('urn:', '')
    .replaceAll('uuid:', '')
    .replaceAll(/^[{}]+|[{}]+$/g, '')
    .replaceAll('-', '');
  return /^[0-9a-f]{32}$/i.test(plain);
}

function isUri(text: string): boolean {
  if (!/^[a-z][a-z0-9+.-]*:\/\/[^/?#\s]+/i.test(text)) return false;
  return URL.canParse(text);
}

/** The JavaScript form of a Python regular expression; undefined when it is none. */
export function regularExpression(text: string): RegExp | undefined {
  try {
    return new RegExp(text.replaceAll('(?P<', '(?<').replace(/^\(\?([imsx]+)\)/, ''));
  } catch {
    return undefined;
  }
}

export const formats: Readonly<Record<string, (text: string) => boolean>> = {
  'date-time': (text) => utcTime(text) !== null,
  base64: isBase64,
  cidr: isCidr,
  uuid: isUuid,
  uri: isUri,
  regex: (text) => text !== '' && regularExpression(text) !== undefined,
  ipv4: (text) => isIPv4(text),
  ipv6: (text) => isIPv6(text) && !text.includes('%'),
  name: (text) => printable(text) && trimmed(text),
  name_with_leading_trailing_spaces: (text) => printable(text) && text.trim() !== '',
  az_name: (text) => printable(text) && trimmed(text) && !text.includes(':'),
  az_name_with_leading_trailing_spaces: (text) => printable(text) && text.trim() !== '' && !text.includes(':'),
};

const nameText = (rule: string) => `An invalid 'name' value was provided. The name must be: ${rule}`;

/** Formats whose failure has a text of its own, told without the place. */
export const formatTexts: Readonly<Record<string, string>> = {
  name: nameText('printable characters. Can not start or end with whitespace.'),
  name_with_leading_trailing_spaces: nameText('printable characters with at least one non space character'),
  az_name: nameText('printable characters except :.Can not start or end with whitespace.'),
  az_name_with_leading_trailing_spaces: nameText('printable characters except :, with at least one non space character'),
};
