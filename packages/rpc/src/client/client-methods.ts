import type { CallMethod, CastMethod, Contract, FanoutMethod, Method, Methods, StreamMethod } from '../contract/contract.ts';

type Sender<M, Options> =
  M extends CallMethod<infer Req, infer Res>
    ? (request: Req, options?: Options) => Promise<Res>
    : M extends CastMethod<infer Req>
      ? (request: Req, options?: Options) => Promise<void>
      : M extends FanoutMethod<infer Req>
        ? (request: Req, options?: Options) => Promise<void>
        : M extends StreamMethod<infer Req, infer Item>
          ? (request: Req, options?: Options) => AsyncIterable<readonly Item[]>
          : never;

type Senders<M extends Methods, Options> = { readonly [Name in keyof M]: Sender<M[Name], Options> };

/** The methods that go to one server: all but the fanouts. */
type Directed<M extends Methods, Options> = {
  readonly [Name in keyof M as M[Name] extends { readonly kind: 'fanout' } ? never : Name]: Sender<M[Name], Options>;
};

/** A function per method, each with what it may say beside the content, and: */
export type ClientMethods<M extends Methods, Options> = Senders<M, Options> & {
  /** The same methods, sent to one server of the topic by its name. */
  at(server: string): Directed<M, Options>;
  /** Whether the pin allows the method, towards one server if it is named. */
  supports(method: keyof M & string, server?: string): boolean;
};

/** How a client of either wire format does its part. */
export interface ClientPart<Options> {
  send(name: string, method: Method, request: object, server: string | undefined, options: Options): unknown;
  /** @throws TypeError for a name that no server can have */
  checkServer(server: string): void;
  supports(method: string, server?: string): boolean;
}

export function clientMethods<M extends Methods, Options extends object>(
  { methods }: Contract<M>,
  part: ClientPart<Options>,
): ClientMethods<M, Options> {
  const senders = (server: string | undefined) =>
    Object.fromEntries(
      Object.entries(methods)
        .filter(([, { kind }]) => server === undefined || kind !== 'fanout')
        .map(([name, method]) => [name, (request: object, given = {} as Options) => part.send(name, method, request, server, given)]),
    );
  const client = {
    ...senders(undefined),
    at(server: string) {
      part.checkServer(server);
      return senders(server);
    },
    supports: (method: string, server?: string) => part.supports(method, server),
  };
  return client as unknown as ClientMethods<M, Options>;
}
