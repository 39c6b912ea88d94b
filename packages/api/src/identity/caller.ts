import type { Credentials } from '../policy/check.ts';

/** Who asks, as the identity service says. */
export interface Caller extends Credentials {
  /** As the client sent it, to pass on to the image service. */
  readonly token: string;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
  readonly catalog: readonly CatalogEntry[];
}

export interface CatalogEntry {
  readonly type: string;
  readonly endpoints: readonly { readonly interface: string; readonly region: string; readonly url: string }[];
}

/** What a role brings besides itself (identity service defaults: admin implies manager implies member implies reader). */
const implied: Readonly<Record<string, string>> = { admin: 'manager', manager: 'member', member: 'reader' };

function withImplied(names: readonly string[]): ReadonlySet<string> {
  const roles = new Set<string>();
  for (const name of names)
    for (let role: string | undefined = name.toLowerCase(); role !== undefined && !roles.has(role); role = implied[role]) roles.add(role);
  return roles;
}

type Fields = Readonly<Record<string, unknown>>;

const fieldsOf = (value: unknown): Fields => (typeof value === 'object' && value !== null ? (value as Fields) : {});
const listOf = (value: unknown): readonly Fields[] => (Array.isArray(value) ? value.map(fieldsOf) : []);
const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

/** Reads the body of `GET /v3/auth/tokens`; undefined when it is not what the identity API describes. */
export function callerFrom(token: string, body: unknown): Caller | undefined {
  const document = fieldsOf(fieldsOf(body)['token']);
  const expiresAt = Date.parse(textOf(document['expires_at']));
  const userId = textOf(fieldsOf(document['user'])['id']);
  if (userId === '' || Number.isNaN(expiresAt)) return undefined;
  return {
    token,
    expiresAt,
    userId,
    projectId: textOf(fieldsOf(document['project'])['id']),
    roles: withImplied(listOf(document['roles']).map(({ name }) => textOf(name))),
    catalog: listOf(document['catalog']).map(({ type, endpoints }) => ({
      type: textOf(type),
      endpoints: listOf(endpoints).map((endpoint) => ({
        interface: textOf(endpoint['interface']),
        region: textOf(endpoint['region_id'] ?? endpoint['region']),
        url: textOf(endpoint['url']),
      })),
    })),
  };
}

/** Where a service listens: the internal endpoint, else the public one. */
export function endpointOf(caller: Caller, type: string, region: string): string | undefined {
  const endpoints = caller.catalog
    .filter((entry) => entry.type === type)
    .flatMap((entry) => entry.endpoints)
    .filter((endpoint) => region === '' || endpoint.region === region);
  return (endpoints.find((one) => one.interface === 'internal') ?? endpoints.find((one) => one.interface === 'public'))?.url;
}

export const hasService = (caller: Caller, type: string): boolean => caller.catalog.some((entry) => entry.type === type);
