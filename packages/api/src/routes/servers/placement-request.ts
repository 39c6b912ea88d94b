import { badRequest } from '../../http/api-error.ts';

/** Where a create request wants the server. */
export interface ZoneRequest {
  readonly zone: string | null;
  /** From `zone:host`, `zone:host:node` or `zone::node`. */
  readonly forcedHost: string | null;
}

const orNull = (text: string | undefined) => (text === undefined || text === '' ? null : text);

/** @throws ApiError 400 */
export function parseZone(text: string | undefined | null): ZoneRequest {
  if (text === undefined || text === null || text === '') return { zone: null, forcedHost: null };
  const parts = text.split(':');
  if (parts.length > 3) throw badRequest('Invalid input received: Unable to parse availability_zone');
  const [zone, host, node] = parts;
  // A host has one node, of the same name.
  return { zone: orNull(zone), forcedHost: orNull(host) ?? orNull(node) };
}
