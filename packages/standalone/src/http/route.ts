import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';

export interface Request {
  /** `req-<uuid>`, shown to the client and in the log. */
  readonly id: string;
  readonly method: string;
  readonly path: string;
  /** Scheme, host and port as the client wrote them, or the configured public address. No slash at the end. */
  readonly origin: string;
  readonly headers: IncomingHttpHeaders;
  /** Decoded, without NUL bytes. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  /** The raw body, for uploads. */
  readonly body: IncomingMessage;
  /** The body as JSON, bounded, well-formed UTF-8 and without NUL. Throws HttpError 400 or 413. */
  json(): Promise<unknown>;
}

export interface Reply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly json?: unknown;
  readonly stream?: Readable;
}

export type Handler = (request: Request) => Promise<Reply> | Reply;
export type Method = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

export interface Route {
  readonly method: Method;
  /** find-my-way's syntax: `/v3/users/:id`. */
  readonly path: string;
  readonly run: Handler;
}

export const route = (method: Method, path: string, run: Handler): Route => ({ method, path, run });

export const ok = (json: unknown): Reply => ({ status: 200, json });
export const created = (json: unknown, headers: Readonly<Record<string, string>> = {}): Reply => ({ status: 201, json, headers });
export const noContent: Reply = { status: 204 };

/** A single header's value; a header that came several times counts as its first. */
export const header = (request: Request, name: string): string | undefined => {
  const value = request.headers[name];
  return Array.isArray(value) ? value[0] : value;
};
