/** Who asks, where, and with which roles: what a token stands for at this moment. */
export interface Named {
  readonly id: string;
  readonly name: string;
}

export interface InDomain extends Named {
  readonly domain: Named;
}

export type SessionScope =
  | { readonly kind: 'unscoped' }
  | { readonly kind: 'system' }
  | { readonly kind: 'domain'; readonly domain: Named }
  | { readonly kind: 'project'; readonly project: InDomain };

export interface Session {
  readonly user: InDomain;
  readonly scope: SessionScope;
  /** Implied roles included, by name. */
  readonly roles: readonly Named[];
  readonly methods: readonly string[];
  readonly auditIds: readonly string[];
  /** Milliseconds since the epoch. */
  readonly issuedAt: number;
  readonly expiresAt: number;
  readonly credential?: { readonly id: string; readonly unrestricted: boolean };
}

export const hasRole = (session: Session, name: string) => session.roles.some((role) => role.name === name);

/** The project of a project-scoped session. */
export const projectOf = ({ scope }: Session): string | undefined => (scope.kind === 'project' ? scope.project.id : undefined);
