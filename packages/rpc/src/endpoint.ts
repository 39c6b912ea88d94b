import type { Context } from './context.ts';
import {
  contractName,
  type CallMethod,
  type CastMethod,
  type Contract,
  type FanoutMethod,
  type Methods,
  type StreamMethod,
} from './contract.ts';
import type { AnyHandler } from './job.ts';

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

/** A contract with its handlers, as one of those that a server serves side by side. Made by `endpoint`. */
export interface Endpoint {
  readonly contract: Contract;
  readonly handlers: Readonly<Record<string, AnyHandler>>;
}

/**
 * One of several contracts of a topic: other namespaces, other majors.
 *
 * @throws TypeError when a handler is missing.
 */
export function endpoint<C extends Contract>(contract: C, handlers: Handlers<C>): Endpoint {
  for (const name of Object.keys(contract.methods)) {
    if (typeof (handlers as Record<string, unknown>)[name] !== 'function')
      throw new TypeError(`${contractName(contract)}.${name} has no handler`);
  }
  return { contract, handlers };
}
