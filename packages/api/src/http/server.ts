import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { orderlyEnd } from '@kilonova/runtime';
import { UpstreamUnavailable } from '../upstream/json-client.ts';
import { ApiError, errorBody, unavailable } from './api-error.ts';
import { dispatch, RefusedToken, versionHeaders, type Dispatcher, type Progress } from './dispatch.ts';
import { statusError } from './error-status.ts';
import type { RequestMetrics } from './request-metrics.ts';
import type { Reply } from './request.ts';

const SUPPORT = 'Unexpected API Error. Please report this to the operator of this cloud, with the request id.';
const TOO_MUCH = 'Too many requests at once. Please try again later.';
const NO_UPSTREAM = 'A service that this one depends on does not answer. Please try again later.';

const bytesOf = (body: object | undefined): Buffer =>
  body instanceof Buffer ? body : Buffer.from(body === undefined ? '' : JSON.stringify(body));

/** The listening side: limits of the connection, one answer for every request, an orderly end. */
export class HttpServer {
  readonly #dispatcher: Dispatcher;
  readonly #metrics: RequestMetrics;
  readonly #server: Server;
  readonly #end: () => Promise<void>;
  #inWork = 0;
  #stopped: Promise<void> | undefined;

  constructor(dispatcher: Dispatcher, metrics: RequestMetrics) {
    this.#dispatcher = dispatcher;
    this.#metrics = metrics;
    metrics.observe(() => this.#inWork, dispatcher.api.config.maxRequests);
    const { clock, config } = dispatcher.api;
    this.#server = createServer(
      {
        maxHeaderSize: config.maxHeaderBytes,
        headersTimeout: config.headersTimeoutMs,
        requestTimeout: config.bodyTimeoutMs,
        keepAliveTimeout: config.keepAliveMs,
        connectionsCheckingInterval: Math.min(1_000, config.headersTimeoutMs),
        joinDuplicateHeaders: true,
      },
      (request, response) => void this.#answer(request, response),
    );
    this.#end = orderlyEnd(this.#server, { clock, graceMs: config.stopGraceMs });
    this.#server.maxConnections = config.maxConnections;
  }

  /** Settles with the address when it listens. @throws Error that names the address, for one that is taken */
  async listen(): Promise<string> {
    const { host, port } = this.#dispatcher.api.config;
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', (error: NodeJS.ErrnoException) => {
        const why = error.code === 'EADDRINUSE' ? 'another program listens there' : error.message;
        reject(new Error(`the Compute API cannot listen on ${host}:${port}: ${why}`, { cause: error }));
      });
      this.#server.listen(port, host, resolve);
    });
    const { address, port: bound, family } = this.#server.address() as AddressInfo;
    return `http://${family === 'IPv6' ? `[${address}]` : address}:${bound}`;
  }

  /** Takes no new connections, lets requests in work finish within the grace period, then cuts them. */
  stop(): Promise<void> {
    return (this.#stopped ??= this.#end());
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { clock, random } = this.#dispatcher.api;
    const progress: Progress = { id: `req-${random.uuid()}` };
    const started = clock.monotonic();
    this.#inWork++;
    try {
      if (this.#inWork > this.#dispatcher.api.config.maxRequests)
        throw unavailable(TOO_MUCH, this.#dispatcher.api.config.retryAfterSeconds);
      const reply = await dispatch(this.#dispatcher, request, progress);
      this.#send(request, response, progress, reply.status ?? 200, reply.headers, reply.body);
    } catch (error) {
      this.#refuse(request, response, progress, error);
    } finally {
      this.#inWork--;
      this.#note(request, response, progress, clock.monotonic() - started);
    }
  }

  #refuse(request: IncomingMessage, response: ServerResponse, progress: Progress, error: unknown): void {
    if (request.destroyed && !request.complete) return; // the client has gone, and its body with it
    const refusal = this.#refusal(error, progress);
    const body =
      refusal instanceof RefusedToken ? { error: { code: 401, title: 'Unauthorized', message: refusal.message } } : errorBody(refusal);
    this.#send(request, response, progress, refusal.status, refusal.headers, body);
  }

  #refusal(error: unknown, progress: Progress): ApiError {
    const { config, log } = this.#dispatcher.api;
    if (error instanceof UpstreamUnavailable) {
      log.warn({ requestId: progress.id, reason: error.message }, 'a service does not answer');
      return unavailable(NO_UPSTREAM, config.retryAfterSeconds, error);
    }
    const known = statusError(error, config.retryAfterSeconds);
    if (known?.status === 503) log.warn({ requestId: progress.id, reason: (error as Error).message }, 'answered 503');
    if (known !== undefined) return known;
    log.error({ requestId: progress.id, route: progress.route?.path, err: error }, 'request failed unexpectedly');
    const name = error instanceof Error ? error.name : typeof error;
    return new ApiError(500, `${SUPPORT}\n<class '${name}'>`, {}, { cause: error });
  }

  #send(
    request: IncomingMessage,
    response: ServerResponse,
    progress: Progress,
    status: number,
    headers: Reply['headers'],
    body: object | undefined,
  ): void {
    if (response.headersSent || response.destroyed) return;
    const bytes = bytesOf(body);
    response.writeHead(status, {
      ...versionHeaders(progress),
      ...(status === 204 ? {} : { 'Content-Type': 'application/json', 'Content-Length': bytes.length }),
      ...(this.#stopped === undefined ? {} : { Connection: 'close' }),
      ...headers,
    });
    response.end(request.method === 'HEAD' || status === 204 ? undefined : bytes);
  }

  #note(request: IncomingMessage, response: ServerResponse, progress: Progress, durationMs: number): void {
    const { log } = this.#dispatcher.api;
    const { route, caller, id, version } = progress;
    const given = request.headers['x-openstack-request-id'];
    const globalRequestId = typeof given === 'string' && /^req-[0-9a-f-]{36}$/i.test(given) ? given : undefined;
    this.#metrics.note(route, response.statusCode, durationMs);
    log.info(
      {
        requestId: id,
        ...(globalRequestId === undefined ? {} : { globalRequestId }),
        method: request.method,
        route: route?.path,
        action: route?.action,
        version,
        projectId: caller?.projectId,
        userId: caller?.userId,
        status: response.statusCode,
        durationMs: Math.round(durationMs),
      },
      'request',
    );
  }
}
