import type { IncomingHttpHeaders } from 'node:http';
import { ApiError, badRequest } from '../http/api-error.ts';

/**
 * A microversion 2.N is the whole number N everywhere in this package: 2.53 is 53. The major is always 2.
 */
export type Microversion = number;

export const FIRST: Microversion = 1;
export const LATEST: Microversion = 96;

export const versionText = (version: Microversion): string => `2.${version}`;

const FORM = /^([1-9]\d*)\.([1-9]\d*|0)$/;

/** `compute 2.5` in OpenStack-API-Version (the last entry counts), else the older header of Nova alone; null when neither is there. */
function asked(headers: IncomingHttpHeaders): string | null {
  const header = headers['openstack-api-version'];
  const entries = (Array.isArray(header) ? header.join(',') : (header ?? '')).split(',').map((entry) => entry.trim().split(/\s+/));
  const entry = entries.findLast(([service]) => service?.toLowerCase() === 'compute');
  if (entry !== undefined) return entry.slice(1).join(' ');
  const older = headers['x-openstack-nova-api-version'];
  return (Array.isArray(older) ? older.at(-1) : older)?.trim() ?? null;
}

/**
 * @throws ApiError 400 for what is no version, 406 for one that is not served (Compute API, "Microversions")
 */
export function requestedVersion(headers: IncomingHttpHeaders): Microversion {
  const text = asked(headers);
  if (text === null) return FIRST;
  if (text.toLowerCase() === 'latest') return LATEST;
  const match = FORM.exec(text);
  if (match === null) throw badRequest(`API Version String ${text} is of invalid format. Must be of format MajorNum.MinorNum.`);
  const minor = Number(match[2]);
  if (match[1] !== '2' || minor < FIRST || minor > LATEST)
    throw new ApiError(
      406,
      `Version ${text} is not supported by the API. Minimum is ${versionText(FIRST)} and maximum is ${versionText(LATEST)}.`,
    );
  return minor;
}
