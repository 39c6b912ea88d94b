import {
  checkMessages,
  contractName,
  type CallMethod,
  type CastMethod,
  type Contract,
  type FanoutMethod,
  type Methods,
  type StreamMethod,
} from '../contract/contract.ts';

type Handler<M, Context> =
  M extends CallMethod<infer Req, infer Res>
    ? (context: Context, request: Req) => Promise<Res> | Res
    : M extends CastMethod<infer Req>
      ? (context: Context, request: Req) => Promise<void> | void
      : M extends FanoutMethod<infer Req>
        ? (context: Context, request: Req) => Promise<void> | void
        : M extends StreamMethod<infer Req, infer Item>
          ? (context: Context, request: Req) => AsyncIterable<readonly Item[]> | Iterable<readonly Item[]>
          : never;

/** One function per method, for the context that servers of a wire format give. */
export type HandlersOf<M extends Methods, Context> = { readonly [Name in keyof M]: Handler<M[Name], Context> };

/** @throws TypeError naming the first method without a function, or with a message class that cannot cross the wire. */
export function checkHandlers(contract: Contract, handlers: object): void {
  checkMessages(contract);
  for (const name of Object.keys(contract.methods))
    if (typeof (handlers as Record<string, unknown>)[name] !== 'function')
      throw new TypeError(`${contractName(contract)}.${name} has no handler`);
}
