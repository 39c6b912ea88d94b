// Which endpoint handles a request. The rules of oslo_messaging/rpc/dispatcher.py: the first endpoint of the namespace
// that understands the version and has the method; whether it was called or cast makes no difference.
import { decoderFor } from '../codec/codec.ts';
import type { Contract, Method } from '../contract.ts';
import type { Context } from '../context.ts';
import { NoSuchMethod, UnsupportedVersion } from '../errors.ts';
import { parseVersion } from '../contract.ts';
import { sinceMinors, understands } from '../pin.ts';
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

const LEAST = '1.0';

/** @throws UnsupportedVersion, NoSuchMethod, MalformedMessage: each before any effect. */
export function dispatch(endpoints: readonly OsloEndpoint[], request: OsloRequest): Dispatched {
  const { method: name, namespace, version, args } = request;
  const asked = /^\d+$/.test(version) ? `${version}.0` : version;
  let found: UnsupportedVersion | NoSuchMethod | undefined;
  for (const endpoint of endpoints) {
    const { contract } = endpoint;
    if (endpoint.namespace !== namespace || !isUnderstood(contract.version, asked)) continue;
    const method = Object.hasOwn(contract.methods, name) ? contract.methods[name] : undefined;
    if (method === undefined) {
      found ??= new NoSuchMethod(`Endpoint does not support RPC method ${name}`, { method: name });
      continue;
    }
    const { minor } = parseVersion(asked, 'version');
    if (minor < (sinceMinors(contract).get(name) ?? 0)) {
      found = unsupported(version, name, `it is since ${method.since}`);
      continue;
    }
    return { endpoint, method, minor, request: decoderFor<object>(method.request, minor)(args) };
  }
  const known = endpoints.map(({ contract }) => contract.version).join(', ');
  throw found ?? unsupported(version, name, `this server supports ${known || LEAST}`);
}

const unsupported = (asked: string, method: string, why: string) =>
  new UnsupportedVersion(`Endpoint does not support RPC version ${asked}. Attempted method: ${method}; ${why}`, { asked });

function isUnderstood(own: string, asked: string): boolean {
  try {
    return understands(own, asked);
  } catch {
    return false; // no version at all
  }
}
