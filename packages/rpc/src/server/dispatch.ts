// What a server does with one message: the checks, in the order that gives the sender the plainest refusal, each
// before any effect. Pure: the deciding part of a server.
import { decoderFor } from '../codec/codec.ts';
import { malformedIn } from '../codec/fields.ts';
import { contractName, type Method } from '../contract/contract.ts';
import type { Endpoint } from './endpoint.ts';
import { MalformedMessage, NoSuchMethod, RpcError, UnsupportedVersion } from '../errors.ts';
import { Routes, type Route } from './routes.ts';
import type { Address, Delivery } from '../transport.ts';
import { isAwaited, isReplyKey, readRequest, type ArrivedRequest, type RequestEnvelope } from '../wire/wire.ts';

export type Verdict =
  | {
      readonly verdict: 'run';
      readonly envelope: RequestEnvelope;
      readonly endpoint: Endpoint;
      readonly method: Method;
      readonly request: object;
      readonly minor: number;
    }
  /** `poison`: the message is put aside. `envelope` is there when it could be read. */
  | { readonly verdict: 'refuse'; readonly error: RpcError; readonly envelope: RequestEnvelope | undefined; readonly poison: boolean }
  | { readonly verdict: 'misdirected'; readonly envelope: RequestEnvelope }
  | { readonly verdict: 'expired'; readonly envelope: RequestEnvelope };

/** What is the server's own beside its endpoints. */
interface Own {
  readonly server?: string | undefined;
  readonly rememberedVersions: number;
}

export class Dispatch {
  readonly #topic: string;
  readonly #server: string | undefined;
  readonly #routes: Routes;

  constructor(topic: string, endpoints: readonly Endpoint[], { server, rememberedVersions }: Own) {
    this.#topic = topic;
    this.#server = server;
    this.#routes = new Routes(topic, endpoints, rememberedVersions);
  }

  judge(delivery: Pick<Delivery, 'body' | 'replyTo' | 'correlationId'>, address: Address): Verdict {
    let envelope: ArrivedRequest | undefined;
    try {
      envelope = readRequest(delivery.body);
      const wanted = address.kind === 'server' ? this.#server : undefined;
      if (envelope.topic !== this.#topic || envelope.server !== wanted) return { verdict: 'misdirected', envelope };
      const { endpoint, since, minor } = this.#routes.find(envelope.namespace, envelope.version);
      const method = methodOf(envelope, endpoint, since, minor);
      if (isAwaited(envelope.kind) && (!isReplyKey(delivery.replyTo) || delivery.correlationId === undefined)) {
        throw new MalformedMessage('a call without an address for its answer', { path: 'replyTo', expected: 'reply.*' });
      }
      if (envelope.timeoutMs !== undefined && !(envelope.timeoutMs > 0)) return { verdict: 'expired', envelope };
      const request = decoderFor<object>(method.request, minor)(envelope.body, envelope.attachments);
      return { verdict: 'run', envelope, endpoint, method, request, minor };
    } catch (error) {
      if (!(error instanceof RpcError)) throw error;
      // A caller is told; what nobody waits for, or nobody could have meant, is kept for a person to look at.
      const poison = envelope === undefined || error instanceof MalformedMessage || envelope.kind === 'cast';
      return { verdict: 'refuse', error: named(error, envelope), envelope, poison };
    }
  }
}

const named = (error: RpcError, envelope: RequestEnvelope | undefined) =>
  envelope === undefined ? error : (malformedIn(`${contractName(envelope)}.${envelope.method}`, error) as RpcError);

function methodOf(envelope: RequestEnvelope, { contract }: Endpoint, since: Route['since'], minor: number): Method {
  const { version, methods } = contract;
  const name = contractName(contract);
  const method = Object.hasOwn(methods, envelope.method) ? methods[envelope.method] : undefined;
  if (method === undefined || method.kind !== envelope.kind) {
    throw new NoSuchMethod(`${name} ${version} has no ${envelope.kind} ${envelope.method}`, { method: envelope.method });
  }
  if (minor < (since.get(envelope.method) ?? 0)) {
    throw new UnsupportedVersion(`${name}.${envelope.method} is since ${method.since}, but the message is ${envelope.version}`, {
      asked: envelope.version,
      supported: version,
    });
  }
  return method;
}
