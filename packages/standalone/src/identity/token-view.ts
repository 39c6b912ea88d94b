import type { Catalog } from './catalog.ts';
import { projectOf, type Session } from './session.ts';

/** `2026-01-02T03:04:05.678000Z`: Keystone's form, with microseconds. */
export const timeText = (ms: number) => new Date(ms).toISOString().replace('Z', '000Z');

/** The body of a token answer. `catalog` undefined: the client asked to leave it out. */
export function tokenView(session: Session, catalog: Catalog | undefined): object {
  const { scope } = session;
  return {
    token: {
      methods: session.methods,
      user: { ...session.user, password_expires_at: null },
      audit_ids: session.auditIds,
      issued_at: timeText(session.issuedAt),
      expires_at: timeText(session.expiresAt),
      ...(scope.kind === 'project' ? { project: scope.project, is_domain: false } : {}),
      ...(scope.kind === 'domain' ? { domain: scope.domain } : {}),
      ...(scope.kind === 'system' ? { system: { all: true } } : {}),
      ...(scope.kind === 'unscoped' ? {} : { roles: session.roles }),
      ...(scope.kind === 'unscoped' || catalog === undefined ? {} : { catalog: catalog.for(projectOf(session)) }),
      ...(session.credential === undefined
        ? {}
        : { application_credential: { id: session.credential.id, restricted: !session.credential.unrestricted } }),
    },
  };
}
