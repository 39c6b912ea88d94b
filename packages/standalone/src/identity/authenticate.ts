import type { Knex } from 'knex';
import { fields, refuse, textOf, textsOf, wrapped, type Fields } from '../http/input.ts';
import type { Request } from '../http/route.ts';
import { unauthenticated, type Identity } from './identity.ts';
import type { Session } from './session.ts';
import { findSession, insertToken, revokeToken, type NewToken } from './tokens.ts';

/** A proven user, and what the proof carries over to the new token. */
interface Proof {
  readonly userId: string;
  readonly methods: readonly string[];
  readonly parentAuditId?: string;
  /** A token made from a token ends with it. */
  readonly expiresAt?: number;
  readonly credential?: { readonly id: string; readonly projectId: string };
}

type WantedScope = NewToken['scope'] | undefined;

/** POST /v3/auth/tokens. Every failed proof is the same 401: an answer must not tell which part was wrong. */
export async function authenticate(identity: Identity, request: Request): Promise<{ readonly token: string; readonly session: Session }> {
  const { db, clock, config, random } = identity;
  const auth = wrapped(await request.json(), 'auth');
  const proof = await prove(identity, fields(auth.identity, 'auth.identity'));
  if (proof === undefined) throw unauthenticated(request);
  const wanted = await wantedScope(db, auth.scope, proof);
  if (wanted === 'nowhere') throw unauthenticated(request);
  const now = clock.now();
  const token = random.text(48);
  const shared = {
    token,
    userId: proof.userId,
    methods: proof.methods,
    auditIds: [random.text(22), ...(proof.parentAuditId === undefined ? [] : [proof.parentAuditId])],
    issuedAt: now,
    expiresAt: Math.min(now + config.tokenLifetimeMs, proof.expiresAt ?? Infinity),
    ...(proof.credential === undefined ? {} : { credentialId: proof.credential.id }),
  };
  const issue = (scope: NewToken['scope']) => issueToken(db, { ...shared, scope }, now);
  // Only a default project may fail quietly: the user did not ask for it.
  const session = wanted === undefined ? await issueByDefault(db, proof.userId, issue) : await issue(wanted);
  if (session === undefined) throw unauthenticated(request);
  return { token, session };
}

/** Inserts the token and reads it back; one that allows nothing leaves no row. */
async function issueToken(db: Knex, token: NewToken, now: number): Promise<Session | undefined> {
  await insertToken(db, token);
  const session = await findSession(db, token.token, now);
  if (session === undefined) await revokeToken(db, token.token);
  return session;
}

async function issueByDefault(db: Knex, userId: string, issue: (scope: NewToken['scope']) => Promise<Session | undefined>) {
  const row = await db('identity_users as u')
    .join('identity_projects as p', 'p.id', 'u.default_project_id')
    .where('u.id', userId)
    .first<{ id: string } | undefined>('p.id');
  return (row === undefined ? undefined : await issue({ kind: 'project', id: row.id })) ?? issue({ kind: 'unscoped' });
}

const METHODS: Readonly<Record<string, (identity: Identity, body: Fields) => Promise<Proof | undefined>>> = {
  password: byPassword,
  token: byToken,
  application_credential: byCredential,
};

async function prove(identity: Identity, given: Fields): Promise<Proof | undefined> {
  const methods = new Set(textsOf(given.methods, 'auth.identity.methods', { maxItems: 3 }));
  if (methods.size === 0) throw refuse('auth.identity.methods', `some of ${Object.keys(METHODS).join(', ')}`, given.methods);
  const proofs: Proof[] = [];
  for (const method of methods) {
    const check = Object.hasOwn(METHODS, method) ? METHODS[method] : undefined;
    const proof = await check?.(identity, fields(given[method], `auth.identity.${method}`));
    if (proof === undefined) return undefined;
    proofs.push(proof);
  }
  if (new Set(proofs.map(({ userId }) => userId)).size !== 1) return undefined;
  return Object.assign({}, ...proofs, { methods: [...new Set(proofs.flatMap((proof) => proof.methods))] }) as Proof;
}

async function byPassword({ db, passwords, config }: Identity, body: Fields): Promise<Proof | undefined> {
  const user = fields(body.user, 'auth.identity.password.user');
  const password = textOf(user.password, 'auth.identity.password.user.password', { max: config.maxPasswordLength });
  const row = await userNamed(db, user, 'auth.identity.password.user').first<{ id: string; password_hash: string | null } | undefined>(
    'u.id',
    'u.password_hash',
  );
  const matches = await passwords.matches(password, row?.password_hash ?? null);
  return matches && row !== undefined ? { userId: row.id, methods: ['password'] } : undefined;
}

function userNamed(db: Knex, user: Fields, where: string) {
  const users = db('identity_users as u').join('identity_domains as d', 'd.id', 'u.domain_id');
  if (user.id !== undefined) return users.where('u.id', textOf(user.id, `${where}.id`));
  return users.where('u.name', textOf(user.name, `${where}.name`)).where(domainNamed(user.domain, `${where}.domain`, 'd'));
}

function domainNamed(value: unknown, where: string, table: string): Record<string, string> {
  const domain = fields(value, where);
  if (domain.id !== undefined) return { [`${table}.id`]: textOf(domain.id, `${where}.id`) };
  return { [`${table}.name`]: textOf(domain.name, `${where}.name`) };
}

async function byToken({ db, clock }: Identity, body: Fields): Promise<Proof | undefined> {
  const session = await findSession(db, textOf(body.id, 'auth.identity.token.id'), clock.now());
  // A credential is bound to one project; a token made from it must not become more.
  if (session === undefined || session.credential !== undefined) return undefined;
  const parentAuditId = session.auditIds.at(-1);
  return {
    userId: session.user.id,
    methods: [...new Set(['token', ...session.methods])],
    expiresAt: session.expiresAt,
    ...(parentAuditId === undefined ? {} : { parentAuditId }),
  };
}

async function byCredential({ db, passwords, config }: Identity, body: Fields): Promise<Proof | undefined> {
  const where = 'auth.identity.application_credential';
  const secret = textOf(body.secret, `${where}.secret`, { max: config.maxPasswordLength });
  const credentials = db('identity_application_credentials as c');
  if (body.id !== undefined) credentials.where('c.id', textOf(body.id, `${where}.id`));
  else {
    const user = userNamed(db, fields(body.user, `${where}.user`), `${where}.user`).select('u.id');
    credentials.where('c.name', textOf(body.name, `${where}.name`)).whereIn('c.user_id', user);
  }
  const row = await credentials.first<{ id: string; user_id: string; project_id: string; secret_hash: string } | undefined>('c.*');
  const matches = await passwords.matches(secret, row?.secret_hash ?? null);
  if (!matches || row === undefined) return undefined;
  return { userId: row.user_id, methods: ['application_credential'], credential: { id: row.id, projectId: row.project_id } };
}

/** Undefined: none was asked for. `nowhere`: asked for something that does not exist or may not be asked for. */
async function wantedScope(db: Knex, value: unknown, { credential }: Proof): Promise<WantedScope | 'nowhere'> {
  if (credential !== undefined) return value === undefined ? { kind: 'project', id: credential.projectId } : 'nowhere';
  if (value === undefined) return undefined;
  if (value === 'unscoped') return { kind: 'unscoped' };
  const scope = fields(value, 'auth.scope');
  const kinds = ['project', 'domain', 'system', 'unscoped'].filter((kind) => scope[kind] !== undefined);
  if (kinds.length !== 1) throw refuse('auth.scope', 'one of project, domain, system, unscoped', value);
  if (scope.unscoped !== undefined) return { kind: 'unscoped' };
  if (scope.system !== undefined) {
    if (fields(scope.system, 'auth.scope.system').all !== true) throw refuse('auth.scope.system', '{"all": true}', scope.system);
    return { kind: 'system' };
  }
  if (scope.domain !== undefined) {
    const row = await db('identity_domains as d')
      .where(domainNamed(scope.domain, 'auth.scope.domain', 'd'))
      .first<{ id: string } | undefined>('d.id');
    return row === undefined ? 'nowhere' : { kind: 'domain', id: row.id };
  }
  const project = fields(scope.project, 'auth.scope.project');
  const projects = db('identity_projects as p').join('identity_domains as d', 'd.id', 'p.domain_id');
  if (project.id !== undefined) projects.where('p.id', textOf(project.id, 'auth.scope.project.id'));
  else
    projects
      .where('p.name', textOf(project.name, 'auth.scope.project.name'))
      .where(domainNamed(project.domain, 'auth.scope.project.domain', 'd'));
  const row = await projects.first<{ id: string } | undefined>('p.id');
  return row === undefined ? 'nowhere' : { kind: 'project', id: row.id };
}
