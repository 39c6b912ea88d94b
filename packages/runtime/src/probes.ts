import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Registry } from 'prom-client';
import type { Clock } from './clock.ts';
import { systemClock } from './clock.ts';
import { flag, integer, section, text, type SectionValues } from './config.ts';
import { healthOf, type Health } from './service.ts';

export const probesSection = section('probes', {
  enabled: flag(true, { help: 'Whether the process answers /healthz and /metrics.' }),
  host: text('127.0.0.1', { help: 'Address of /healthz and /metrics.' }),
  port: integer(0, { min: 0, max: 65_535, help: 'Port of /healthz and /metrics; 0 takes a free one and logs it.' }),
  healthTimeoutMs: integer(3_000, { min: 100, max: 60_000, help: 'A check that takes longer counts as failed.' }),
  maxConnections: integer(64, { min: 1, max: 10_000, help: 'Probe connections at once; more are closed.' }),
});
export type ProbesConfig = SectionValues<typeof probesSection>;

export interface ProbeOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly health: () => Health | Promise<Health>;
  /** A text in Prometheus' format. */
  readonly metrics: () => Promise<string>;
  readonly healthTimeoutMs?: number;
  readonly maxConnections?: number;
  readonly clock?: Clock;
}

export interface Probes {
  readonly url: string;
  stop(): Promise<void>;
}

/** Serves GET /healthz (200 or 503, JSON of every check and its reason) and GET /metrics. Throws when the port is taken. */
export async function startProbes(options: ProbeOptions): Promise<Probes> {
  const { host, port, maxConnections = 64 } = options;
  const server = createServer((request, response) => {
    answer(options, request, response).catch((error: unknown) => {
      if (response.headersSent) response.destroy();
      else send(response, 500, 'text/plain', `${(error as Error).message}\n`);
    });
  });
  server.maxConnections = maxConnections;
  server.headersTimeout = 5_000;
  server.requestTimeout = 5_000;
  await new Promise<void>((settle, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(error.code === 'EADDRINUSE' ? new Error(`${host}:${port} is taken by another program (option probes.port)`) : error),
    );
    server.listen(port, host, settle);
  });
  const { port: taken } = server.address() as AddressInfo;
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${taken}`,
    stop: () =>
      new Promise((settle) => {
        server.close(() => settle());
        server.closeAllConnections();
      }),
  };
}

async function answer(options: ProbeOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.method !== 'GET' && request.method !== 'HEAD') return send(response, 405, 'text/plain', 'only GET\n', { allow: 'GET, HEAD' });
  const path = request.url?.split('?')[0];
  if (path === '/healthz') {
    const health = await boundedHealth(options);
    return send(response, health.ok ? 200 : 503, 'application/json', `${JSON.stringify(health, null, 2)}\n`);
  }
  if (path === '/metrics') return send(response, 200, Registry.PROMETHEUS_CONTENT_TYPE, await options.metrics());
  send(response, 404, 'text/plain', 'there is /healthz and /metrics\n');
}

/** A check that hangs or throws is a failed check, never a hanging probe. */
async function boundedHealth({ health, healthTimeoutMs = 3_000, clock = systemClock }: ProbeOptions): Promise<Health> {
  const failed = (reason: string) => healthOf({ probe: { ok: false, reason } });
  let cancel: () => void = () => undefined;
  const late = new Promise<Health>((settle) => {
    cancel = clock.after(healthTimeoutMs, () => settle(failed(`no answer within ${healthTimeoutMs} ms`)));
  });
  try {
    return await Promise.race([health(), late]);
  } catch (error) {
    return failed((error as Error).message);
  } finally {
    cancel();
  }
}

function send(response: ServerResponse, status: number, type: string, body: string, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body), 'cache-control': 'no-store', ...headers });
  response.end(response.req.method === 'HEAD' ? undefined : body);
}
