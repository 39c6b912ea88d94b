import { createHash } from 'node:crypto';
import type { Knex } from 'knex';
import type { Session, SessionScope } from './session.ts';

/**
 * Tokens are random and kept as a hash. What a token allows is read at every check and not when it was issued: a role
 * taken away, a disabled user or project counts at once. One statement, so that a check stays cheap.
 */
export interface NewToken {
  readonly token: string;
  readonly userId: string;
  readonly scope: { readonly kind: 'project' | 'domain'; readonly id: string } | { readonly kind: 'unscoped' | 'system' };
  readonly credentialId?: string;
  readonly methods: readonly string[];
  readonly auditIds: readonly string[];
  readonly issuedAt: number;
  readonly expiresAt: number;
}

export const hashOf = (token: string) => createHash('sha256').update(token).digest('hex');

export async function insertToken(db: Knex, token: NewToken): Promise<void> {
  const { scope } = token;
  await db('identity_tokens').insert({
    hash: hashOf(token.token),
    user_id: token.userId,
    scope: scope.kind,
    project_id: scope.kind === 'project' ? scope.id : null,
    domain_id: scope.kind === 'domain' ? scope.id : null,
    credential_id: token.credentialId ?? null,
    methods: JSON.stringify(token.methods),
    audit_ids: JSON.stringify(token.auditIds),
    issued_at: new Date(token.issuedAt),
    expires_at: new Date(token.expiresAt),
  });
}

interface SessionRow {
  readonly user_id: string;
  readonly user_name: string;
  readonly user_domain_id: string;
  readonly user_domain_name: string;
  readonly scope: Session['scope']['kind'];
  readonly project_id: string | null;
  readonly project_name: string | null;
  readonly domain_id: string | null;
  readonly domain_name: string | null;
  readonly credential_id: string | null;
  readonly unrestricted: boolean | null;
  readonly roles: readonly { readonly id: string; readonly name: string }[] | null;
  readonly methods: readonly string[];
  readonly audit_ids: readonly string[];
  readonly issued_at: Date;
  readonly expires_at: Date;
}

// An application credential carries its own roles, of which those still held by the user count.
const SESSION = `
  select t.user_id, u.name as user_name, u.domain_id as user_domain_id, ud.name as user_domain_name,
    t.scope, t.project_id, p.name as project_name, sd.id as domain_id, sd.name as domain_name,
    t.credential_id, c.unrestricted, t.methods, t.audit_ids, t.issued_at, t.expires_at,
    (with recursive held (role_id) as (
        select a.role_id from identity_assignments a
        where t.scope <> 'unscoped' and a.user_id = t.user_id
          and a.project_id is not distinct from t.project_id and a.domain_id is not distinct from t.domain_id
      union
        select i.implied_id from held h join identity_implied_roles i on i.prior_id = h.role_id
    ), limited (role_id) as (
        select h.role_id from held h where c.id is null or c.role_ids \\? h.role_id
      union
        select i.implied_id from limited l join identity_implied_roles i on i.prior_id = l.role_id
    )
    select json_agg(json_build_object('id', r.id, 'name', r.name) order by r.name)
    from limited l join identity_roles r on r.id = l.role_id) as roles
  from identity_tokens t
  join identity_users u on u.id = t.user_id and u.enabled
  join identity_domains ud on ud.id = u.domain_id and ud.enabled
  left join identity_projects p on p.id = t.project_id
  left join identity_domains sd on sd.id = coalesce(p.domain_id, t.domain_id)
  left join identity_application_credentials c on c.id = t.credential_id
  where t.hash = ? and t.expires_at > ?
    and (t.project_id is null or p.enabled)
    and (sd.id is null or sd.enabled)
    and (c.expires_at is null or c.expires_at > ?)`;

/** The session of a token, or undefined when it is unknown, expired, or allows nothing any more. */
export async function findSession(db: Knex, token: string, now: number): Promise<Session | undefined> {
  const at = new Date(now);
  const { rows } = await db.raw<{ rows: SessionRow[] }>(SESSION, [hashOf(token), at, at]);
  const row = rows[0];
  if (row === undefined) return undefined;
  if (row.scope !== 'unscoped' && row.roles === null) return undefined;
  return {
    user: { id: row.user_id, name: row.user_name, domain: { id: row.user_domain_id, name: row.user_domain_name } },
    scope: scopeOf(row),
    roles: row.roles ?? [],
    methods: row.methods,
    auditIds: row.audit_ids,
    issuedAt: row.issued_at.getTime(),
    expiresAt: row.expires_at.getTime(),
    ...(row.credential_id === null ? {} : { credential: { id: row.credential_id, unrestricted: row.unrestricted === true } }),
  };
}

function scopeOf(row: SessionRow): SessionScope {
  const domain = { id: row.domain_id ?? '', name: row.domain_name ?? '' };
  if (row.scope === 'project') return { kind: 'project', project: { id: row.project_id ?? '', name: row.project_name ?? '', domain } };
  return row.scope === 'domain' ? { kind: 'domain', domain } : { kind: row.scope };
}

/** False when there was no such token. */
export async function revokeToken(db: Knex, token: string): Promise<boolean> {
  return (
    (await db('identity_tokens')
      .where({ hash: hashOf(token) })
      .delete()) > 0
  );
}

export async function revokeTokensOfUser(db: Knex, userId: string): Promise<void> {
  await db('identity_tokens').where({ user_id: userId }).delete();
}

/** Removes at most `batch` expired tokens and says how many. */
export async function purgeTokens(db: Knex, now: number, batch: number): Promise<number> {
  const expired = db('identity_tokens').select('hash').where('expires_at', '<=', new Date(now)).orderBy('expires_at').limit(batch);
  return db('identity_tokens').whereIn('hash', expired).delete();
}
