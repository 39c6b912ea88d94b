import type { Context } from './context.ts';
import type { CallMethod, CastMethod, Contract, FanoutMethod, Methods, StreamMethod } from './contract.ts';
import type { Transport } from './transport.ts';

export interface CallOptions {
  /** Milliseconds; never lengthens the deadline of `context`. */
  readonly timeoutMs?: number;
  /** The request on whose behalf this one is made: its id travels on, its deadline bounds this call. */
  readonly context?: Pick<Context, 'requestId' | 'deadline'>;
  readonly requestId?: string;
  /** When aborted, the call rejects at once with the signal's reason. */
  readonly signal?: AbortSignal;
}

export interface ClientOptions {
  /** The version to speak, MAJOR.MINOR; a function is asked before every message. Default: the contract's own. */
  readonly pin?: string | (() => string);
  /** For calls whose method states none; milliseconds. Default: the transport's `callTimeoutMs`. */
  readonly timeoutMs?: number;
}

type Sender<M> =
  M extends CallMethod<infer Req, infer Res> ? (request: Req, options?: CallOptions) => Promise<Res>
  : M extends CastMethod<infer Req> ? (request: Req, options?: CallOptions) => Promise<void>
  : M extends FanoutMethod<infer Req> ? (request: Req, options?: CallOptions) => Promise<void>
  : M extends StreamMethod<infer Req, infer Item> ? (request: Req, options?: CallOptions) => AsyncIterable<readonly Item[]>
  : never;

type Senders<M extends Methods> = { readonly [Name in keyof M]: Sender<M[Name]> };

/** The methods that go to one server: all but the fanouts. */
type Directed<M extends Methods> = {
  readonly [Name in keyof M as M[Name] extends { readonly kind: 'fanout' } ? never : Name]: Sender<M[Name]>;
};

/** A function per method of the contract, and: */
export type Client<C extends Contract> = Senders<C['methods']> & {
  /** The same methods, sent to one server of the topic by its name. */
  at(server: string): Directed<C['methods']>;
  /** Whether the pin allows the method. */
  supports(method: keyof C['methods'] & string): boolean;
};

export function createClient<C extends Contract>(_transport: Transport, _contract: C, _options: ClientOptions = {}): Client<C> {
  throw new Error('not built yet');
}
