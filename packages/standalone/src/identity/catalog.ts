import { createHash } from 'node:crypto';

/** One service of the cloud. `{project_id}` in an address becomes the token's project. */
export interface CatalogEntry {
  /** `compute`, `image`, ... */
  readonly type: string;
  /** `nova`, `glance`, ... */
  readonly name: string;
  readonly url: string;
  /** Default: `url`. */
  readonly internalUrl?: string;
  readonly adminUrl?: string;
}

export interface CatalogEndpoint {
  readonly id: string;
  readonly interface: 'public' | 'internal' | 'admin';
  readonly region: string;
  readonly region_id: string;
  readonly url: string;
}

export interface CatalogService {
  readonly id: string;
  readonly type: string;
  readonly name: string;
  readonly endpoints: readonly CatalogEndpoint[];
}

/** The catalog comes from the configuration: ids are made of what they stand for, so that they survive a restart. */
const idOf = (...parts: readonly string[]) => createHash('sha256').update(parts.join('\n')).digest('hex').slice(0, 32);

export class Catalog {
  readonly region: string;
  readonly #entries: () => readonly CatalogEntry[];

  constructor(region: string, entries: () => readonly CatalogEntry[]) {
    this.region = region;
    this.#entries = entries;
  }

  /** Addresses as configured. */
  services(): readonly CatalogService[] {
    return this.#entries().map((entry) => this.#service(entry));
  }

  /** Addresses for one project; an address that needs a project is left out without one. */
  for(projectId: string | undefined): readonly CatalogService[] {
    return this.services().map((service) => ({
      ...service,
      endpoints: service.endpoints.flatMap((endpoint) => {
        const needsProject = PROJECT.test(endpoint.url);
        if (needsProject && projectId === undefined) return [];
        return [needsProject ? { ...endpoint, url: endpoint.url.replace(PROJECT, projectId ?? '') } : endpoint];
      }),
    }));
  }

  #service({ type, name, url, internalUrl = url, adminUrl = url }: CatalogEntry): CatalogService {
    const urls = { public: url, internal: internalUrl, admin: adminUrl } as const;
    const endpoints = (['public', 'internal', 'admin'] as const).map((kind) => ({
      id: idOf(type, name, kind),
      interface: kind,
      region: this.region,
      region_id: this.region,
      url: urls[kind],
    }));
    return { id: idOf(type, name), type, name, endpoints };
  }
}

/** Both ways in which OpenStack writes it. */
const PROJECT = /\{project_id\}|[%$]\((?:project|tenant)_id\)s/;
