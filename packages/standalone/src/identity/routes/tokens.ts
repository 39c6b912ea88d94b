import { notFound } from '../../http/error.ts';
import { header, noContent, ok, route, type Request, type Route } from '../../http/route.ts';
import { authenticate } from '../authenticate.ts';
import { asUser, denied, isAdmin, readsAll, unauthenticated, type Identity } from '../identity.ts';
import { hasRole, type Session } from '../session.ts';
import { tokenView } from '../token-view.ts';
import { findSession, revokeToken } from '../tokens.ts';

const vary = { Vary: 'X-Auth-Token' };

const subjectOf = (request: Request) => {
  const subject = header(request, 'x-subject-token');
  if (subject === undefined || subject === '') throw notFound('Could not find token: the header X-Subject-Token is missing.');
  return subject;
};

/** POST, GET, HEAD and DELETE of /v3/auth/tokens. */
export function tokenRoutes(identity: Identity): readonly Route[] {
  const { db, clock, catalog } = identity;
  const shown = ({ query }: Request) => (query.has('nocatalog') ? undefined : catalog);

  /** Services and administrators may look at any token, everybody at their own. */
  const subjectSession = async (request: Request, caller: Session) => {
    const subject = subjectOf(request);
    if (subject === header(request, 'x-auth-token')) return caller;
    const session = await findSession(db, subject, clock.now());
    if (session?.user.id !== caller.user.id && !readsAll(caller) && !hasRole(caller, 'service')) throw denied();
    if (session === undefined) throw notFound('Could not find token.');
    return session;
  };

  return [
    route('POST', '/v3/auth/tokens', async (request) => {
      const { token, session } = await authenticate(identity, request);
      return { status: 201, json: tokenView(session, shown(request)), headers: { ...vary, 'X-Subject-Token': token } };
    }),
    route(
      'GET',
      '/v3/auth/tokens',
      asUser(identity, async (request, caller) => {
        const session = await subjectSession(request, caller);
        return { status: 200, json: tokenView(session, shown(request)), headers: { ...vary, 'X-Subject-Token': subjectOf(request) } };
      }),
    ),
    route(
      'DELETE',
      '/v3/auth/tokens',
      asUser(identity, async (request, caller) => {
        const subject = subjectOf(request);
        const session = await findSession(db, subject, clock.now());
        if (session?.user.id !== caller.user.id && !isAdmin(caller)) throw denied();
        if (!(await revokeToken(db, subject))) throw notFound('Could not find token.');
        return noContent;
      }),
    ),
    route(
      'GET',
      '/v3/auth/catalog',
      asUser(identity, (request, caller) => {
        if (caller.scope.kind === 'unscoped') throw unauthenticated(request);
        const projectId = caller.scope.kind === 'project' ? caller.scope.project.id : undefined;
        return ok({ catalog: catalog.for(projectId), links: { self: `${request.origin}${request.path}` } });
      }),
    ),
  ];
}
