import type { Contract } from '../contract/contract.ts';
import { checkHandlers, type HandlersOf } from '../server/handlers.ts';
import type { Authorize } from '../server/authorize.ts';
import type { ServerInterceptor } from '../interceptors.ts';
import type { ServerLimits } from '../server/server-limits.ts';
import type { OsloContext, OsloEndpoint } from './dispatch.ts';
import { OsloRunningServer } from './running-server.ts';
import { checkOsloContract, exchangeOf, serverKey } from './target.ts';
import type { OsloTransport } from './transport.ts';

/** One function per method; handlers written for `serve` fit too. */
export type OsloHandlers<C extends Contract> = HandlersOf<C['methods'], OsloContext>;

/** What a server that answers Python is called, and what it takes on. */
export interface OsloServeOptions extends Omit<ServerLimits, 'control' | 'maxRetrying'> {
  /** The name by which `prepare(server=...)` reaches this server: `Target.server`. */
  readonly server: string;
  /**
   * `after` the handler: a request outlives its server and may be handled twice. `before`, as Python's servers do: at
   * most once. Default `after`.
   */
  readonly acknowledge?: 'before' | 'after';
  /** Throws to refuse; what is no RpcError becomes NotAuthorized. */
  readonly authorize?: Authorize<OsloContext>;
  /** Around every handler, inside those of the transport. `metadata` is the trace context of the sender. */
  readonly interceptors?: readonly ServerInterceptor[];
}

/** A server that answers Python, until stopped. */
export interface OsloServer {
  /** Takes nothing new, finishes what is in hand within `graceMs`, then hands back the rest. */
  stop(): Promise<void>;
}

/**
 * One of a server's endpoints: several contracts, namespaces and majors live side by side on a topic.
 *
 * @throws TypeError when a handler is missing, or the contract has a stream, which oslo.messaging has not.
 */
export function osloEndpoint<C extends Contract>(
  contract: C,
  handlers: OsloHandlers<C>,
  options: { readonly namespace?: string } = {},
): OsloEndpoint {
  checkOsloContract(contract);
  checkHandlers(contract, handlers);
  return { contract, namespace: options.namespace ?? contract.namespace, handlers };
}

/**
 * Answers Python's RPCClients on `TOPIC`, `TOPIC.SERVER` and the topic's fanout until stopped, over any number of
 * reconnects. Settles when the queues are in place.
 *
 * @throws TypeError when the endpoints are not of one topic, or an option cannot work.
 */
export async function serveOslo(
  transport: OsloTransport,
  endpoints: readonly [OsloEndpoint, ...OsloEndpoint[]],
  options: OsloServeOptions,
): Promise<OsloServer> {
  const [{ contract: first }] = endpoints;
  const exchange = exchangeOf(transport, first);
  for (const { contract } of endpoints)
    if (contract.topic !== first.topic || exchangeOf(transport, contract) !== exchange)
      throw new TypeError(`serveOslo: expected endpoints of one topic and exchange, got ${first.topic} and ${contract.topic}`);
  serverKey(first.topic, options.server);
  const server = new OsloRunningServer(transport, { topic: first.topic, exchange, endpoints }, options);
  await server.start();
  return server;
}
