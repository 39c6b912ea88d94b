import type { CallOptions } from '@kilonova/rpc';
import type { Caller } from '../identity/caller.ts';
import type { Microversion } from '../microversion/microversion.ts';
import type { Links } from './links.ts';
import type { Query } from './query.ts';

/** A request that passed every check that needs no row. */
export interface ApiRequest {
  /** `req-<uuid>`, also the id of the instance action that it starts. */
  readonly id: string;
  readonly caller: Caller;
  readonly version: Microversion;
  /** Of the path, decoded. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: Query;
  /** Fits the schema of the route; null when there was none. */
  readonly body: unknown;
  /** SHA-256 of the bytes of the body, hex. */
  readonly bodyHash: string;
  /** The header Idempotency-Key, null when there was none. */
  readonly idempotencyKey: string | null;
  readonly links: Links;
  /** Path below the version and the project, without a slash in front, for links of pages. */
  readonly path: string;
  /** For questions to the conductor: request id, deadline. */
  readonly rpc: CallOptions;
}

/** An answer with more than a body. */
export class Reply {
  /** Bytes are JSON already. */
  readonly body: object | undefined;
  readonly status: number | undefined;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    body: object | undefined,
    { status, headers = {} }: { readonly status?: number; readonly headers?: Readonly<Record<string, string>> } = {},
  ) {
    this.body = body;
    this.status = status;
    this.headers = headers;
  }
}
