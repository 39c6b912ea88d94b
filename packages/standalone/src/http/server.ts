import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import type { AddressInfo } from 'node:net';
import { orderlyEnd, type Surroundings } from '@kilonova/runtime';
import Router from 'find-my-way';
import { isBroken, readJson } from './body.ts';
import type { HttpConfig } from './config.ts';
import { badRequest, HttpError, notFound, unavailable } from './error.ts';
import { requestTimes } from './request-times.ts';
import type { Reply, Request, Route } from './route.ts';

export interface HttpServerOptions extends Surroundings {
  readonly name: string;
  readonly config: HttpConfig;
  readonly routes: readonly Route[];
  /** How this service words an error; every OpenStack service has its own body. */
  readonly errorReply: (error: HttpError, request: IncomingMessage) => { readonly contentType: string; readonly body: string };
  /** False as long as the service is not ready: requests get 503. A port is had before anything is changed. */
  readonly open: () => boolean;
  /** Makes an HttpError of a failure that the service knows, such as a database that is gone. */
  readonly translate: (error: unknown) => HttpError | undefined;
}

export interface HttpServer {
  readonly url: string;
  stop(): Promise<void>;
}

/** Listens and answers. Throws an Error that names address and option when the port is taken. */
export async function serveHttp(options: HttpServerOptions): Promise<HttpServer> {
  const { config, name, clock, log } = options;
  const answer = answerer(options, () => url);
  const server = createServer(
    {
      requestTimeout: config.requestTimeoutMs,
      headersTimeout: Math.min(config.requestTimeoutMs, config.idleTimeoutMs),
      keepAliveTimeout: 5_000,
    },
    (incoming, response) => {
      // A client that keeps its connection busy must not keep a stopping server.
      if (!server.listening) response.shouldKeepAlive = false;
      void answer(incoming, response);
    },
  );
  const end = orderlyEnd(server, { clock, graceMs: config.stopGraceMs });
  server.maxConnections = config.maxConnections;
  server.setTimeout(config.idleTimeoutMs);
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const reason = error.code === 'EADDRINUSE' ? 'the port is taken' : error.message;
      reject(new Error(`${name} cannot listen on ${config.host}:${config.port} (${name}.host, ${name}.port): ${reason}`, { cause: error }));
    });
    server.listen(config.port, config.host, resolve);
  });
  server.on('error', (error) => log.error({ err: error }, 'http server failed'));
  const { port } = server.address() as AddressInfo;
  const host = config.host.includes(':') ? `[${config.host}]` : config.host;
  const url = `http://${host}:${port}`;

  let stopped: Promise<void> | undefined;
  return { url, stop: () => (stopped ??= end()) };
}

function answerer(options: HttpServerOptions, ownUrl: () => string) {
  const { config, clock, random, log, name } = options;
  const find = routeTable(options.routes);
  const times = requestTimes(options.metrics);
  return async (incoming: IncomingMessage, response: ServerResponse) => {
    const started = clock.monotonic();
    const id = `req-${random.uuid()}`;
    const method = incoming.method ?? 'GET';
    response.setHeader('X-Openstack-Request-Id', id);
    let routePath = 'none';
    try {
      if (!options.open()) throw unavailable('The service is starting.');
      const { path, query } = splitUrl(incoming.url ?? '/');
      const found = find(method, path);
      routePath = found.route.path;
      const origin = config.publicUrl.replace(/\/+$/, '') || askedOrigin(incoming) || ownUrl();
      const request: Request = {
        id,
        method,
        path,
        origin,
        headers: incoming.headers,
        params: found.params,
        query,
        body: incoming,
        json: () => readJson(incoming, config.maxBodyBytes),
      };
      await send(response, method, await found.route.run(request));
    } catch (thrown) {
      const error = asHttpError(thrown, options, id);
      await refuse(incoming, response, method, error, options);
    } finally {
      const seconds = (clock.monotonic() - started) / 1000;
      times.observe({ server: name, method, route: routePath, status: String(response.statusCode) }, seconds);
      log.debug({ requestId: id, method, route: routePath, status: response.statusCode, seconds }, 'answered');
    }
  };
}

function asHttpError(thrown: unknown, { translate, log }: HttpServerOptions, requestId: string): HttpError {
  if (thrown instanceof HttpError) return thrown;
  const known = translate(thrown);
  if (known !== undefined) {
    log.warn({ requestId, reason: thrown instanceof Error ? thrown.message : String(thrown) }, 'cannot answer now');
    return known;
  }
  log.error({ requestId, err: thrown }, 'request failed');
  return new HttpError(500, 'An unexpected error prevented the server from fulfilling your request.');
}

async function send(response: ServerResponse, method: string, reply: Reply): Promise<void> {
  response.statusCode = reply.status;
  for (const [key, value] of Object.entries(reply.headers ?? {})) response.setHeader(key, value);
  if (reply.stream !== undefined && method !== 'HEAD') return pipeline(reply.stream, response);
  reply.stream?.destroy();
  if (reply.json === undefined) return void response.end();
  const body = Buffer.from(JSON.stringify(reply.json));
  response.setHeader('Content-Type', 'application/json').setHeader('Content-Length', body.length);
  response.end(method === 'HEAD' ? undefined : body);
}

async function refuse(
  incoming: IncomingMessage,
  response: ServerResponse,
  method: string,
  error: HttpError,
  { errorReply, config }: HttpServerOptions,
): Promise<void> {
  if (response.headersSent) return void response.destroy(); // a download that broke: only a cut tells the client
  await discard(incoming, config.discardBytes);
  if (!incoming.complete) response.setHeader('Connection', 'close');
  response.statusCode = error.status;
  for (const [key, value] of Object.entries(error.headers)) response.setHeader(key, value);
  const { contentType, body } = errorReply(error, incoming);
  response.setHeader('Content-Type', contentType).setHeader('Content-Length', Buffer.byteLength(body));
  response.end(method === 'HEAD' ? undefined : body);
}

/** A client that is still sending reads the answer only when its body was taken; up to `limit` bytes we do that. */
async function discard(incoming: IncomingMessage, limit: number): Promise<void> {
  if (incoming.complete || incoming.destroyed || Number(incoming.headers['content-length'] ?? 0) > limit) return;
  await new Promise<void>((resolve) => {
    let rest = limit;
    const done = () => {
      incoming.off('data', onData).pause();
      resolve();
    };
    const onData = (piece: Buffer) => {
      rest -= piece.length;
      if (rest < 0) done();
    };
    incoming.on('data', onData).once('end', done).once('close', done).once('error', done).resume();
  });
}

function routeTable(routes: readonly Route[]) {
  const router = Router({ ignoreTrailingSlash: true, ignoreDuplicateSlashes: true, maxParamLength: 512 });
  for (const one of routes) router.on(one.method, one.path, () => {}, one);
  const methods = [...new Set(routes.map(({ method }) => method))];
  return (method: string, path: string): { readonly route: Route; readonly params: Readonly<Record<string, string>> } => {
    const lookup = (wanted: string) => router.find(wanted as Route['method'], path);
    const found = lookup(method) ?? (method === 'HEAD' ? lookup('GET') : null);
    if (found !== null) return { route: found.store as Route, params: found.params as Readonly<Record<string, string>> };
    const allowed = methods.filter((other) => lookup(other) !== null);
    if (allowed.length === 0) throw notFound('The resource could not be found.');
    throw new HttpError(405, `${method} is not allowed here, only ${allowed.join(', ')}.`, { headers: { Allow: allowed.join(', ') } });
  };
}

/** Path and query of a request target. Throws HttpError 400 for bytes that are not UTF-8 and for NUL. */
function splitUrl(target: string): { readonly path: string; readonly query: URLSearchParams } {
  const mark = target.indexOf('?');
  const path = mark < 0 ? target : target.slice(0, mark);
  const search = mark < 0 ? '' : target.slice(mark + 1);
  let decoded: string;
  try {
    decoded = decodeURIComponent(path) + decodeURIComponent(search);
  } catch {
    throw badRequest('The address is not valid: expected percent-encoded UTF-8.');
  }
  if (!path.startsWith('/') || isBroken(decoded)) throw badRequest('The address is not valid: expected a path without NUL.');
  return { path, query: new URLSearchParams(search) };
}

const askedOrigin = ({ headers: { host } }: IncomingMessage) =>
  host !== undefined && /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(:\d{1,5})?$/.test(host) ? `http://${host}` : undefined;
