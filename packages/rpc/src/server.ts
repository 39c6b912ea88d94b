import type { Authorize } from './authorize.ts';
import type { Context } from './context.ts';
import type { CallMethod, CastMethod, Contract, FanoutMethod, Methods, StreamMethod } from './contract.ts';
import type { ServerInterceptor } from './interceptors.ts';
import { RunningServer } from './running-server.ts';
import type { ServerLimits } from './server-limits.ts';
import type { Transport } from './transport.ts';

type Handler<M> =
  M extends CallMethod<infer Req, infer Res>
    ? (context: Context, request: Req) => Promise<Res> | Res
    : M extends CastMethod<infer Req>
      ? (context: Context, request: Req) => Promise<void> | void
      : M extends FanoutMethod<infer Req>
        ? (context: Context, request: Req) => Promise<void> | void
        : M extends StreamMethod<infer Req, infer Item>
          ? (context: Context, request: Req) => AsyncIterable<readonly Item[]> | Iterable<readonly Item[]>
          : never;

/**
 * One function per method. A stream handler yields batches of any size (an async generator of arrays); they are cut
 * into pieces on the way out.
 */
export type Handlers<C extends Contract> = HandlersOf<C['methods']>;
type HandlersOf<M extends Methods> = { readonly [Name in keyof M]: Handler<M[Name]> };

export interface ServeOptions extends ServerLimits {
  /** The name by which `client.at(name)` reaches this server. */
  readonly server?: string;
  /** Whether to share the work sent to the topic as such. Default: true, but false where queues are declared by a steward. */
  readonly shared?: boolean;
  /** Throws to refuse; what is no RpcError becomes NotAuthorized. */
  readonly authorize?: Authorize;
  /** Around every handler, inside those of the transport. */
  readonly interceptors?: readonly ServerInterceptor[];
}

export interface Server {
  /** Takes nothing new, finishes what is in hand within `graceMs`, then hands back the rest. */
  stop(): Promise<void>;
}

/**
 * Takes requests until stopped, over any number of reconnects. Settles when the queues are in place.
 *
 * @throws TypeError when a handler is missing or an option cannot work.
 */
export async function serve<C extends Contract>(
  transport: Transport,
  contract: C,
  handlers: Handlers<C>,
  options: ServeOptions = {},
): Promise<Server> {
  for (const name of Object.keys(contract.methods)) {
    if (typeof (handlers as Record<string, unknown>)[name] !== 'function') throw new TypeError(`${contract.topic}.${name} has no handler`);
  }
  const server = new RunningServer(transport, contract, handlers, options);
  await server.start();
  return server;
}
