import type { Context } from '../context.ts';
import { clientMethods, type ClientMethods } from './client-methods.ts';
import { contractName, type Contract } from '../contract/contract.ts';
import type { ClientInterceptor, Metadata } from '../interceptors.ts';
import { intercepted } from './interception.ts';
import { checkWait } from '../options.ts';
import { Outbox } from './outbox.ts';
import { Pin } from './pin.ts';
import type { OlderPeer } from './older-peer.ts';
import type { RefusalListener } from './refusals.ts';
import type { RetryBudgetOptions } from './retry.ts';
import { checkServerName } from '../wire/wire.ts';
import type { Transport } from '../transport.ts';

/** What one request may say beside its content. */
export interface CallOptions {
  /** Milliseconds above 0, at most 2 147 483 647 (24.8 days); never lengthens the deadline of `context`. */
  readonly timeoutMs?: number;
  /** The request on whose behalf this one is made: its id and its trace context travel on, its deadline bounds this call. */
  readonly context?: Pick<Context, 'requestId' | 'deadline'> & Partial<Pick<Context, 'metadata'>>;
  readonly requestId?: string;
  /** What the handler finds in `context.metadata`; at most `maxMetadataBytes`. */
  readonly metadata?: Metadata;
  /** When aborted, the call rejects at once with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** What all requests of a client have in common. */
export interface ClientOptions {
  /** The version to speak, MAJOR.MINOR; a function is asked before every message, with the server it is for if one is named. Default: the contract's own. */
  readonly pin?: string | ((server: string | undefined) => string);
  /** Told that a server refused a version it does not know, before it is asked whether the request leaves again: a pin that moves down here is followed. */
  readonly onOlderPeer?: (peer: OlderPeer) => void;
  /**
   * For calls and streams that say none; goes before what their method states. Milliseconds above 0, at most 2 147 483 647.
   * Default: the method's, else the transport's `callTimeoutMs` or `streamTimeoutMs`.
   */
  readonly timeoutMs?: number;
  /** Around every request of this client, inside those of the transport. */
  readonly interceptors?: readonly ClientInterceptor[];
  /** Hears of casts that a server refused, instead of the listeners of the transport: see `onRefused`. */
  readonly onRefused?: RefusalListener;
  /** Bounds the retries of all methods together, for those whose contract has `retry`. */
  readonly retryBudget?: RetryBudgetOptions;
}

/** A function per method of the contract, `at` for one server of the topic, and `supports`. */
export type Client<C extends Contract> = ClientMethods<C['methods'], CallOptions>;

/**
 * A function per method of the contract. Clients are cheap: all those of a transport share its connection and reply queue.
 *
 * @throws UnsupportedVersion when `pin` is a text that the contract cannot speak; TypeError when it is no version, or an option cannot work.
 */
export function createClient<C extends Contract>(transport: Transport, contract: C, options: ClientOptions = {}): Client<C> {
  const pin = new Pin(contract, options.pin);
  checkWait(`client of ${contractName(contract)}: timeoutMs`, options.timeoutMs);
  const outbox = new Outbox(transport, contract, pin, options);
  const send = intercepted(transport, contract, options, (name, method, request, server, given) =>
    outbox.send(name, method, request, server, given),
  );
  return clientMethods<C['methods'], CallOptions>(contract, {
    send,
    checkServer: checkServerName,
    supports: (method, server) => pin.allows(method, server),
  });
}
