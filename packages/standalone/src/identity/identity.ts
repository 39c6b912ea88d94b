import type { Clock, Logger, Random } from '@kilonova/runtime';
import type { Knex } from 'knex';
import { forbidden, HttpError } from '../http/error.ts';
import { header, type Handler, type Reply, type Request } from '../http/route.ts';
import type { Catalog } from './catalog.ts';
import type { IdentityConfig } from './config.ts';
import type { Passwords } from './passwords.ts';
import { hasRole, type Session } from './session.ts';
import { findSession } from './tokens.ts';

/** What the routes of this service work with. */
export interface Identity {
  readonly db: Knex;
  readonly config: IdentityConfig;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly passwords: Passwords;
  readonly catalog: Catalog;
}

type CallerHandler = (request: Request, caller: Session) => Promise<Reply> | Reply;

export const unauthenticated = ({ origin }: Request) =>
  new HttpError(401, 'The request you have made requires authentication.', {
    headers: { 'WWW-Authenticate': `Keystone uri="${origin}"` },
  });

export const denied = () => forbidden('You are not authorized to perform the requested action.');

/** Ids as Keystone makes them: 32 hexadecimal digits. */
export const newId = (random: Random) => random.uuid().replaceAll('-', '');

export const isAdmin = (caller: Session) => hasRole(caller, 'admin');

/** Who may read everything: administrators, and readers of the whole system. */
export const readsAll = (caller: Session) => isAdmin(caller) || (caller.scope.kind === 'system' && hasRole(caller, 'reader'));

async function callerOf({ db, clock }: Identity, request: Request): Promise<Session> {
  const token = header(request, 'x-auth-token');
  const session = token === undefined || token === '' ? undefined : await findSession(db, token, clock.now());
  if (session === undefined) throw unauthenticated(request);
  return session;
}

const guarded =
  (allows: (caller: Session, request: Request) => boolean) =>
  (identity: Identity, run: CallerHandler): Handler =>
  async (request) => {
    const caller = await callerOf(identity, request);
    if (!allows(caller, request)) throw denied();
    return run(request, caller);
  };

/** Any valid token. */
export const asUser = guarded(() => true);
/** Every write. */
export const asAdmin = guarded(isAdmin);
export const asReader = guarded(readsAll);
/** The user in the path, or who may read everything. */
export const asSelfOrReader = guarded((caller, { params }) => caller.user.id === params.userId || readsAll(caller));
/** The user in the path, or an administrator. */
export const asSelfOrAdmin = guarded((caller, { params }) => caller.user.id === params.userId || isAdmin(caller));
