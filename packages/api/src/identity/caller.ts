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

interface TokenDocument {
  readonly user?: { readonly id?: string };
  readonly project?: { readonly id?: string };
  readonly roles?: readonly { readonly name?: string }[];
  readonly expires_at?: string;
  readonly catalog?: readonly {
    readonly type?: string;
    readonly endpoints?: readonly {
      readonly interface?: string;
      readonly region_id?: string;
      readonly region?: string;
      readonly url?: string;
    }[];
  }[];
}

/** Reads the body of `GET /v3/auth/tokens`; undefined when it is not what the identity API describes. */
export function callerFrom(token: string, body: unknown): Caller | undefined {
  const document = (body as { token?: TokenDocument } | undefined)?.token;
  const expiresAt = Date.parse(document?.expires_at ?? '');
  if (typeof document?.user?.id !== 'string' || Number.isNaN(expiresAt)) return undefined;
  return {
    token,
    expiresAt,
    userId: document.user.id,
    projectId: document.project?.id ?? '',
    roles: withImplied((document.roles ?? []).flatMap(({ name }) => (typeof name === 'string' ? [name] : []))),
    catalog: (document.catalog ?? []).map(({ type = '', endpoints = [] }) => ({
      type,
      endpoints: endpoints.map((endpoint) => ({
        interface: endpoint.interface ?? '',
        region: endpoint.region_id ?? endpoint.region ?? '',
        url: endpoint.url ?? '',
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
