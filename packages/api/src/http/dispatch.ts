import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Api } from '../api.ts';
import type { Caller } from '../identity/caller.ts';
import { InvalidToken } from '../identity/identity.ts';
import { requestedVersion, versionText, type Microversion } from '../microversion/microversion.ts';
import { successOf, type Route } from '../routes/route.ts';
import { withoutUnknownKeys } from '../schema/legacy-body.ts';
import type { Schemas } from '../schema/validator.ts';
import { ApiError, badRequest } from './api-error.ts';
import { demandJson, parseBody, readBody } from './body.ts';
import { choices, versionDocument, versionList } from './discovery.ts';
import { Links, rootOf } from './links.ts';
import { decoded, parseQuery } from './query.ts';
import { Reply, type ApiRequest } from './request.ts';
import { openRoute, routesFor, type RouteTable } from './route-table.ts';

/** What is known of a request while it is answered; also the answer to one that fails half-way needs it. */
export interface Progress {
  readonly id: string;
  /** Set once the microversion is known; the headers say it. */
  version?: Microversion;
  /** Set once the route is known; metrics and logs say it. */
  route?: Pick<Route, 'method' | 'path' | 'action'>;
  caller?: Caller;
}

export interface Dispatcher {
  readonly api: Api;
  readonly routes: RouteTable;
  readonly schemas: Schemas;
}

export class RefusedToken extends ApiError {
  constructor(uri: string) {
    super(401, 'The request you have made requires authentication.', { 'WWW-Authenticate': `Keystone uri="${uri}"` });
  }
}

/** What can be a token at all; anything else is not worth asking the identity service. */
const TOKEN = /^[\u0021-\u007e]{1,16384}$/;
const ENDPOINT = /^\/(v2(?:\.1)?)(\/.*)?$/;
const VERSION = /^\/versions\/v(2\.[01])\/?$/;
const PROJECT = /^\/([0-9a-f-]+)(?=\/|$)/;
/** The old endpoint has no microversions; its schemas stand at 2.0 where they differ. */
const LEGACY: Microversion = 0;

/** Answers one request. The order of the checks is the contract's ("Headers and microversions", last paragraph). */
export async function dispatch(dispatcher: Dispatcher, request: IncomingMessage, progress: Progress): Promise<Reply> {
  const { api } = dispatcher;
  const target = request.url ?? '/';
  if (target.length > api.config.maxUrlBytes) throw new ApiError(414, `Request URL is longer than ${api.config.maxUrlBytes} bytes.`);
  const [path = '/', ...search] = target.split('?');
  const root = rootOf(request, api.config);
  const [, endpoint, below] = ENDPOINT.exec(path) ?? [];
  if (endpoint === undefined) return unversioned(root, path);
  if (below === undefined) return new Reply(undefined, { status: 302, headers: { Location: `${root}/${endpoint}/` } });
  if (below === '/') return new Reply(versionDocument(root, endpoint), { status: 200 });

  const caller = await callerOf(api, request);
  progress.caller = caller;
  // Only who has a token may take his time to send a body: it is work for as long as it comes.
  const bytes = await readBody(request, api.config.maxBodyBytes);
  const [front = '', project] = PROJECT.exec(below) ?? [];
  const rest = below.slice(front.length);
  const method = request.method === 'HEAD' ? 'GET' : (request.method ?? 'GET');
  if (rest === '' || rest === '/') return new Reply(versionDocument(root, endpoint), { status: 200 });
  const named = VERSION.exec(rest)?.[1];
  if (named !== undefined && method === 'GET') return new Reply(versionDocument(root, named === '2.0' ? 'v2' : 'v2.1'), { status: 200 });
  const place = dispatcher.routes.find(method, rest);
  progress.route = { method: method as 'GET', path: place.routes[0]!.path };
  const legacy = endpoint === 'v2';
  const version = legacy ? 1 : requestedVersion(request.headers);
  if (!legacy) progress.version = version;
  demandJson(request.headers['content-type']);
  const body = method === 'POST' || method === 'PUT' ? parseBody(bytes, api.config.maxBodyDepth) : null;
  const routes = routesFor(place, body);
  demandProject(project, caller);
  const route = openRoute(routes, version);
  progress.route = route;
  const params = Object.fromEntries(Object.entries(place.params).map(([name, value]) => [name, clean(value)]));
  const query = parseQuery(search.join('?'));
  const fit = checked(dispatcher.schemas, route, legacy ? LEGACY : version, query, body);
  for (const policy of route.policies ?? []) api.policy.demand(policy, caller);

  const deadline = api.clock.now() + api.config.requestTimeoutMs;
  const prepared: ApiRequest = {
    id: progress.id,
    caller,
    version,
    params,
    query,
    body: fit,
    bodyHash: hashOf(bytes),
    idempotencyKey: idempotencyKey(request),
    links: new Links(root, api.config.imageLinkPrefix, endpoint, project ?? null),
    path: rest.replace(/^\/+|\/+$/g, ''),
    rpc: { context: { requestId: progress.id, deadline }, timeoutMs: api.config.rpcTimeoutMs },
  };
  const answer = await route.handle(api, prepared, route);
  const reply = answer instanceof Reply ? answer : new Reply(answer);
  return new Reply(reply.body, { status: reply.status ?? successOf(route, version), headers: reply.headers });
}

const hashOf = (bytes: Buffer): string => (bytes.length === 0 ? HASH_OF_NOTHING : createHash('sha256').update(bytes).digest('hex'));
const HASH_OF_NOTHING = createHash('sha256').digest('hex');

function unversioned(root: string, path: string): Reply {
  if (path === '/' || path === '') return new Reply(versionList(root), { status: 200 });
  if (path === '/healthcheck') return new Reply({ status: 'ok' }, { status: 200 });
  return new Reply(choices(root, path), { status: 300 });
}

async function callerOf(api: Api, request: IncomingMessage): Promise<Caller> {
  const given = request.headers['x-auth-token'];
  const token = (Array.isArray(given) ? given[0] : given)?.trim() ?? '';
  try {
    if (!TOKEN.test(token)) throw new InvalidToken();
    return await api.identity.callerOf(token);
  } catch (error) {
    if (error instanceof InvalidToken) throw new RefusedToken(api.identity.publicUrl);
    throw error;
  }
}

function demandProject(project: string | undefined, caller: Caller): void {
  if (project !== undefined && project !== caller.projectId)
    throw badRequest(`Malformed request URL: URL's project_id '${project}' doesn't match Context's project_id '${caller.projectId}'`);
}

/** The router has decoded it already. */
const clean = (param: string) => (param.includes('\0') ? decoded('%00') : param);

function checked(
  schemas: Schemas,
  { method, path, action }: Route,
  version: Microversion,
  query: ApiRequest['query'],
  body: unknown,
): unknown {
  const find = (kind: 'request' | 'query') =>
    schemas.find(method, path, action, kind, version) ?? (version === LEGACY ? schemas.find(method, path, action, kind, 1) : undefined);
  const queryFile = find('query');
  if (queryFile !== undefined) schemas.check(queryFile, Object.fromEntries(query), 'query parameters');
  const file = find('request');
  if (file === undefined) return body;
  const wanted = version === LEGACY ? withoutUnknownKeys(schemas.schema(file), body) : body;
  schemas.check(file, wanted, 'field/attribute');
  return wanted;
}

const LONGEST_KEY = 255;

function idempotencyKey(request: IncomingMessage): string | null {
  const given = request.headers['idempotency-key'];
  const key = Array.isArray(given) ? given[0] : given;
  if (key === undefined) return null;
  if (!/^[\u0021-\u007e](?:[\u0020-\u007e]*[\u0021-\u007e])?$/.test(key) || key.length > LONGEST_KEY)
    throw badRequest(`Idempotency-Key: expected 1 to ${LONGEST_KEY} printable ASCII characters`);
  return key;
}

/** Headers that every versioned answer carries, errors too. */
export function versionHeaders({ id, version }: Progress): Record<string, string> {
  return {
    'X-Openstack-Request-Id': id,
    'X-Compute-Request-Id': id,
    ...(version === undefined
      ? {}
      : {
          'OpenStack-API-Version': `compute ${versionText(version)}`,
          'X-OpenStack-Nova-API-Version': versionText(version),
          Vary: 'OpenStack-API-Version, X-OpenStack-Nova-API-Version',
        }),
  };
}
