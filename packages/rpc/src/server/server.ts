import type { DuplicateLimits } from './answer-memory.ts';
import type { Authorize } from './authorize.ts';
import type { Contract } from '../contract/contract.ts';
import { endpoint, type Endpoint, type Handlers } from './endpoint.ts';
import type { ServerInterceptor } from '../interceptors.ts';
import { RunningServer } from './running-server.ts';
import type { ServerLimits } from './server-limits.ts';
import type { Transport } from '../transport.ts';

/** What a server is called and takes on, and what stands around its handlers. */
export interface ServeOptions extends ServerLimits {
  /** The name by which `client.at(name)` reaches this server. */
  readonly server?: string;
  /** Whether to share the work sent to the topic as such. Default: true, but false where queues are declared by a steward. */
  readonly shared?: boolean;
  /**
   * Whether callers get the stacks of what handlers throw, as `remoteStack`: for services that trust their callers with
   * the names of files and functions. Never of NotAuthorized. Default false.
   */
  readonly stacks?: boolean;
  /** Throws to refuse; what is no RpcError becomes NotAuthorized. */
  readonly authorize?: Authorize;
  /**
   * Where answers to an account go: its reply key, `reply.SERVICE.ID`. A request that names another place is refused, and
   * nobody is told. For accounts that are kept apart, which could else have this server speak to others. Default: where the
   * sender says.
   */
  readonly repliesTo?: (caller: string) => string;
  /**
   * Remembers what was done, so that a call or cast that comes again to this server (redelivered, or sent again under its
   * id) is not done again: it joins the one in work, or gets the answer of before. `{}` takes the default limits; undefined
   * remembers nothing. What comes again to another server, or to this one after a restart, is unknown to it. Not for
   * messages that keep their order, unless sent to this server by name, and not for streams.
   */
  readonly duplicates?: DuplicateLimits;
  /** Around every handler, inside those of the transport. */
  readonly interceptors?: readonly ServerInterceptor[];
}

/** A server that takes requests until stopped. */
export interface Server {
  /** Takes nothing new, finishes what is in hand within `graceMs`, then hands back the rest. */
  stop(): Promise<void>;
}

/**
 * Takes requests of a contract until stopped, over any number of reconnects. Settles when the queues are in place.
 *
 * @throws TypeError when a handler is missing, an option cannot work, or this transport serves the topic already; Unreachable when it is
 *   closed.
 */
export function serve<C extends Contract>(
  transport: Transport,
  contract: C,
  handlers: Handlers<C>,
  options?: ServeOptions,
): Promise<Server>;
/**
 * The same for several contracts of one topic, which share its queues and these options: each request goes to the
 * endpoint of its namespace and major. What fits none is refused with the list of what is served.
 *
 * @throws TypeError also when the endpoints differ in topic or exchange, or two have the same namespace and major.
 */
export function serve(transport: Transport, endpoints: readonly Endpoint[], options?: ServeOptions): Promise<Server>;
export async function serve<C extends Contract>(
  transport: Transport,
  served: C | readonly Endpoint[],
  given: Handlers<C> | ServeOptions = {},
  last: ServeOptions = {},
): Promise<Server> {
  const several = Array.isArray as (value: unknown) => value is readonly Endpoint[];
  const server = several(served)
    ? new RunningServer(transport, served, given)
    : new RunningServer(transport, [endpoint(served, given as Handlers<C>)], last);
  await server.start();
  return server;
}
