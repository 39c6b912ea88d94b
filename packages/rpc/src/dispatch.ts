// What a server does with one message: the checks, in the order that gives the sender the plainest refusal, each
// before any effect. Pure: the deciding part of a server.
import { decoderFor } from './codec/codec.ts';
import type { Contract, Method } from './contract.ts';
import { MalformedMessage, NoSuchMethod, RpcError, UnsupportedVersion } from './errors.ts';
import { sinceMinors, understands } from './pin.ts';
import type { Address, Delivery } from './transport.ts';
import { isAwaited, isReplyKey, readRequest, type RequestEnvelope } from './wire.ts';

export type Verdict =
  | {
      readonly verdict: 'run';
      readonly envelope: RequestEnvelope;
      readonly method: Method;
      readonly request: object;
      readonly minor: number;
    }
  /** `poison`: the message is put aside. `envelope` is there when it could be read. */
  | { readonly verdict: 'refuse'; readonly error: RpcError; readonly envelope: RequestEnvelope | undefined; readonly poison: boolean }
  | { readonly verdict: 'misdirected'; readonly envelope: RequestEnvelope }
  | { readonly verdict: 'expired'; readonly envelope: RequestEnvelope };

/** Versions seen and judged; a peer cannot make it grow without end. */
const MAX_JUDGED = 256;

export class Dispatch {
  readonly #contract: Contract;
  readonly #server: string | undefined;
  readonly #since: ReadonlyMap<string, number>;
  readonly #judged = new Map<string, number | TypeError>();

  constructor(contract: Contract, server: string | undefined) {
    this.#contract = contract;
    this.#server = server;
    this.#since = sinceMinors(contract);
  }

  judge(delivery: Pick<Delivery, 'body' | 'replyTo' | 'correlationId'>, address: Address): Verdict {
    let envelope: RequestEnvelope | undefined;
    try {
      envelope = readRequest(delivery.body);
      const wanted = address.kind === 'server' ? this.#server : undefined;
      if (envelope.topic !== this.#contract.topic || envelope.server !== wanted) return { verdict: 'misdirected', envelope };
      const minor = this.#minor(envelope.version);
      const method = this.#method(envelope, minor);
      if (isAwaited(envelope.kind) && (!isReplyKey(delivery.replyTo) || delivery.correlationId === undefined)) {
        throw new MalformedMessage('a call without an address for its answer', { path: 'replyTo', expected: 'reply.*' });
      }
      if (envelope.timeoutMs !== undefined && !(envelope.timeoutMs > 0)) return { verdict: 'expired', envelope };
      const request = decoderFor<object>(method.request, minor)(envelope.body);
      return { verdict: 'run', envelope, method, request, minor };
    } catch (error) {
      if (!(error instanceof RpcError)) throw error;
      // A caller is told; what nobody waits for, or nobody could have meant, is kept for a person to look at.
      const poison = envelope === undefined || error instanceof MalformedMessage || envelope.kind === 'cast';
      return { verdict: 'refuse', error, envelope, poison };
    }
  }

  #method(envelope: RequestEnvelope, minor: number): Method {
    const { topic, version, methods } = this.#contract;
    const method = Object.hasOwn(methods, envelope.method) ? methods[envelope.method] : undefined;
    if (method === undefined || method.kind !== envelope.kind) {
      throw new NoSuchMethod(`${topic} ${version} has no ${envelope.kind} ${envelope.method}`, { method: envelope.method });
    }
    if (minor < (this.#since.get(envelope.method) ?? 0)) {
      throw new UnsupportedVersion(`${topic}.${envelope.method} is since ${method.since}, but the message is ${envelope.version}`, {
        asked: envelope.version,
        supported: version,
      });
    }
    return method;
  }

  /** The minor of a version that this side understands. */
  #minor(version: string): number {
    let judged = this.#judged.get(version);
    if (judged === undefined) {
      judged = judgeVersion(this.#contract.version, version);
      if (this.#judged.size < MAX_JUDGED) this.#judged.set(version, judged);
    }
    if (typeof judged === 'number') return judged;
    throw new UnsupportedVersion(
      `${this.#contract.topic}: the message is version ${version}, this server supports ${this.#contract.version}`,
      {
        asked: version,
        supported: this.#contract.version,
      },
    );
  }
}

function judgeVersion(own: string, asked: string): number | TypeError {
  try {
    return understands(own, asked) ? Number(asked.split('.')[1]) : new TypeError('newer, or another major');
  } catch (error) {
    if (error instanceof TypeError) return error;
    throw error;
  }
}
