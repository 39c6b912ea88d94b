// What stands around every call, on its way out and on its way in: to measure, to trace, to add what the other side
// should see, to refuse. Where there is none, nothing is made and nothing is run.
import type { CallOptions } from './client/client.ts';
import type { Context } from './context.ts';
import type { RequestKind } from './wire/wire.ts';

/** Small texts that travel beside a request, for all its methods alike: trace context, tenant, locale. Never secrets: handlers may log them. */
export type Metadata = Readonly<Record<string, string>>;

/** A request that is about to leave, as the client's interceptors see it. */
export interface OutgoingCall {
  readonly kind: RequestKind;
  readonly topic: string;
  readonly method: string;
  /** The one server that it goes to; undefined: any of the topic, or all of them. */
  readonly server: string | undefined;
  readonly requestId: string;
  /** Milliseconds since the epoch by the local clock; Infinity for a cast sent without one. */
  readonly deadline: number;
  /** The content, not yet encoded. */
  readonly request: object;
  /** The request on whose behalf this one is made, where the caller named it. */
  readonly context: CallOptions['context'];
  /** What the server will see in `context.metadata`. May be added to until `next` is called; `maxMetadataBytes` holds for the whole. */
  readonly metadata: Record<string, string>;
}

/** A request that passed the checks of version and shape, as the server's interceptors see it. */
export interface IncomingCall {
  readonly kind: RequestKind;
  readonly topic: string;
  readonly method: string;
  /** The name of this server, if the request was for it alone. */
  readonly server: string | undefined;
  /** The content. */
  readonly request: object;
  /** With `metadata` as the sender's interceptors left it. */
  readonly context: Context;
  /** The broker gave it out before. */
  readonly redelivered: boolean;
}

/**
 * Runs around every request of a client. `next` sends it and settles with its outcome: the answer of a call, undefined
 * for a cast that the broker has taken and for a stream that ended. What the interceptor settles with is what the caller
 * gets (but for streams, whose items are not passed through it), so it can refuse (throw before `next`), replace, or try
 * again (call `next` again, except for streams).
 */
export type ClientInterceptor = (call: OutgoingCall, next: () => Promise<unknown>) => Promise<unknown>;

/**
 * Runs around every handler, before `authorize`. `next` settles with what the handler gave; for a stream it settles, with
 * undefined, when the last piece was sent. What the interceptor settles with is the answer. An RpcError that it throws
 * before `next` refuses the request under its own code; any other error is treated as the handler's.
 */
export type ServerInterceptor = (call: IncomingCall, next: () => Promise<unknown>) => Promise<unknown>;

/** Given to a transport they hold for all its clients and servers, around those that these have of their own. The first is the outermost. */
export interface Interceptors {
  readonly client?: readonly ClientInterceptor[];
  readonly server?: readonly ServerInterceptor[];
}

/** Several interceptors as one; undefined for none, so that callers can go straight ahead. */
export function chain<Call>(
  ...lists: readonly (readonly ((call: Call, next: () => Promise<unknown>) => Promise<unknown>)[] | undefined)[]
): ((call: Call, last: () => Promise<unknown>) => Promise<unknown>) | undefined {
  const links = lists.flatMap((list) => list ?? []);
  if (links.length === 0) return undefined;
  const run = async (index: number, call: Call, last: () => Promise<unknown>): Promise<unknown> => {
    const link = links[index];
    return link === undefined ? last() : link(call, () => run(index + 1, call, last));
  };
  return (call, last) => run(0, call, last);
}
