// Which endpoint handles a request. The rules of oslo_messaging/rpc/dispatcher.py: the first endpoint of the namespace
// that understands the version and has the method; whether it was called or cast makes no difference.
import { decoderFor } from '../codec/codec.ts';
import type { Context } from '../context.ts';
import { parseVersion, type Contract, type Method } from '../contract/contract.ts';
import { NoSuchMethod, UnsupportedVersion } from '../errors.ts';
import { sinceMinors, understands } from '../client/pin.ts';
import type { OsloRequest } from './envelope.ts';

/** What a handler knows about the request beside its content. `requestId` is the sender's `request_id`, else its message's id. */
export interface OsloContext extends Context {
  /** The sender's context as it came: user, project, roles. Whoever may publish can claim anything in it. */
  readonly remote: Readonly<Record<string, unknown>>;
}

/** A contract and its handlers, as one of the endpoints of a server. Made by `osloEndpoint`. */
export interface OsloEndpoint {
  readonly contract: Contract;
  readonly namespace: string | undefined;
  readonly handlers: Readonly<Record<string, (context: OsloContext, request: object) => unknown>>;
}

export interface Dispatched {
  readonly endpoint: OsloEndpoint;
  readonly method: Method;
  readonly request: object;
  readonly minor: number;
}

export class OsloDispatch {
  readonly #endpoints: readonly (OsloEndpoint & { readonly since: ReadonlyMap<string, number> })[];
  readonly #known: string;
  readonly #limit: number;
  /** The minor asked for, and which endpoints understand it. */
  readonly #judged = new Map<string, Judged>();

  /** @param rememberedVersions versions judged once; a peer that names version after version must not make them grow without end. */
  constructor(endpoints: readonly OsloEndpoint[], rememberedVersions: number) {
    this.#limit = rememberedVersions;
    this.#endpoints = endpoints.map((endpoint) => ({ ...endpoint, since: sinceMinors(endpoint.contract) }));
    this.#known = endpoints.map(({ contract }) => contract.version).join(', ');
  }

  /** @throws UnsupportedVersion, NoSuchMethod, MalformedMessage: each before any effect. */
  find({ method: name, namespace, version, args }: OsloRequest): Dispatched {
    const { minor, understood } = this.#judge(version);
    let found: UnsupportedVersion | NoSuchMethod | undefined;
    for (const [index, endpoint] of this.#endpoints.entries()) {
      if (endpoint.namespace !== namespace || understood[index] !== true) continue;
      const { methods } = endpoint.contract;
      const method = Object.hasOwn(methods, name) ? methods[name] : undefined;
      if (method === undefined) {
        found ??= new NoSuchMethod(`Endpoint does not support RPC method ${name}`, { method: name });
      } else if (minor < (endpoint.since.get(name) ?? 0)) {
        found = unsupported(version, name, `it is since ${method.since}`);
      } else {
        return { endpoint, method, minor, request: decoderFor<object>(method.request, minor)(args) };
      }
    }
    throw found ?? unsupported(version, name, `this server supports ${this.#known}`);
  }

  #judge(version: string): Judged {
    let judged = this.#judged.get(version);
    if (judged !== undefined) return judged;
    judged = judge(
      version,
      this.#endpoints.map(({ contract }) => contract.version),
    );
    if (this.#judged.size < this.#limit) this.#judged.set(version, judged);
    return judged;
  }
}

interface Judged {
  readonly minor: number;
  readonly understood: readonly boolean[];
}

/** A version of one number is the first of its major. */
function judge(version: string, known: readonly string[]): Judged {
  const asked = /^\d+$/.test(version) ? `${version}.0` : version;
  try {
    return { minor: parseVersion(asked, 'version').minor, understood: known.map((own) => understands(own, asked)) };
  } catch {
    return { minor: 0, understood: [] }; // no version at all
  }
}

const unsupported = (asked: string, method: string, why: string) =>
  new UnsupportedVersion(`Endpoint does not support RPC version ${asked}. Attempted method: ${method}; ${why}`, { asked });
