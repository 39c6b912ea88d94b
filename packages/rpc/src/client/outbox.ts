import { Addressing, type Target } from '../wire/addressing.ts';
import type { Attachment } from '../wire/attachments.ts';
import { checkCallOptions } from './check-options.ts';
import type { CallOptions, ClientOptions } from './client.ts';
import { Calls, type CallRequest } from './calls.ts';
import { encoderFor } from '../codec/codec.ts';
import { checkedIn } from '../codec/fields.ts';
import { sendConfirmed, sendUnconfirmed } from './confirmed.ts';
import { contractName, methodLabel, type CallMethod, type Contract, type Method, type StreamMethod } from '../contract/contract.ts';
import type { RpcLabels } from '../environment.ts';
import { ConnectionLost, DeadlineExceeded, NoSuchMethod, RpcError, UnsupportedVersion } from '../errors.ts';
import { checkMetadata, metadataOf } from '../wire/metadata.ts';
import { olderPeer } from './older-peer.ts';
import type { Pin } from './pin.ts';
import { Refusals } from './refusals.ts';
import { withRetries, RetryBudget, type RetryPolicy } from './retry.ts';
import { RequestForm } from './request-form.ts';
import { SendingOrder } from './sending-order.ts';
import { receiveStream } from './stream-receiver.ts';
import type { Transport } from '../transport.ts';
import { isAwaited, toBytes, type RequestEnvelope } from '../wire/wire.ts';

/** Turns a method and its request into a message, and what comes back into its outcome. */
export class Outbox {
  readonly #transport: Transport;
  readonly #contract: Contract;
  readonly #pin: Pin;
  readonly #options: ClientOptions;
  readonly #budget: RetryBudget;
  readonly #addressing: Addressing;
  /** Made once per method: they go with every call. */
  readonly #labels = new Map<string, RpcLabels>();

  constructor(transport: Transport, contract: Contract, pin: Pin, options: ClientOptions) {
    this.#transport = transport;
    this.#contract = contract;
    this.#pin = pin;
    this.#options = options;
    this.#addressing = new Addressing(contract);
    this.#budget = new RetryBudget(options.retryBudget);
  }

  send(name: string, method: Method, request: object, server: string | undefined, options: CallOptions): unknown {
    switch (method.kind) {
      case 'call':
        return method.retry === undefined
          ? this.#call(name, method, request, server, options)
          : this.#callAgain(method.retry, name, method, request, server, options);
      case 'stream':
        return this.#stream(name, method, request, server, options);
      default:
        return this.#tell(name, method, request, server, options);
    }
  }

  /** All attempts are one request: with the same ids, so that a server that remembers answers once. */
  async #callAgain(
    policy: RetryPolicy,
    name: string,
    method: CallMethod<object, object>,
    request: object,
    server: string | undefined,
    options: CallOptions,
  ): Promise<object> {
    const plan = {
      policy,
      budget: this.#budget,
      timeoutMs: this.#allowedMs(method, options, this.#transport.limits.callTimeoutMs),
      signal: options.signal,
      labels: this.#labelsOf(name),
    };
    const own = { ...options, requestId: this.#requestId(options) };
    const id = Calls.of(this.#transport).nextId();
    return withRetries(this.#transport.environment, plan, (timeoutMs) => this.#call(name, method, request, server, own, { id, timeoutMs }));
  }

  async #call(
    name: string,
    method: CallMethod<object, object>,
    request: object,
    server: string | undefined,
    options: CallOptions,
    attempt?: { readonly id: string; readonly timeoutMs: number },
  ): Promise<object> {
    const {
      environment: { clock, metrics },
      limits,
    } = this.#transport;
    const labels = this.#labelsOf(name);
    const prepared = this.#prepare(
      name,
      method,
      request,
      server,
      options,
      attempt?.timeoutMs ?? this.#allowedMs(method, options, limits.callTimeoutMs),
      method.idempotent,
    );
    const { form } = prepared;
    const start = clock.monotonic();
    if (prepared.ordered) {
      await SendingOrder.of(this.#transport).turn(prepared.key, Math.min(limits.connectWaitMs, prepared.timeoutMs), options.signal);
      prepared.timeoutMs -= clock.monotonic() - start;
    }
    metrics.count('calls', labels);
    return new Promise((resolve, reject) => {
      const fail = (error: unknown) => {
        metrics.count('call_failures', { ...labels, code: error instanceof RpcError ? error.code : 'aborted' });
        reject(error);
      };
      const end = Calls.of(this.#transport).start({
        ...prepared,
        id: attempt?.id,
        onReply(reply) {
          if (reply.kind !== 'answer') return;
          end();
          try {
            resolve(form.decoder<object>(method.response)(reply.body, reply.attachments));
            metrics.duration('call', clock.monotonic() - start, labels);
          } catch (error) {
            fail(error);
          }
        },
        onFailure: fail,
      });
    });
  }

  async *#stream(
    name: string,
    method: StreamMethod<object, object>,
    request: object,
    server: string | undefined,
    options: CallOptions,
  ): AsyncGenerator<readonly object[]> {
    this.#transport.environment.metrics.count('streams', this.#labelsOf(name));
    const prepared = this.#prepare(
      name,
      method,
      request,
      server,
      options,
      this.#allowedMs(method, options, this.#transport.limits.streamTimeoutMs),
      false,
    );
    const { form } = prepared;
    for await (const items of receiveStream(this.#transport, prepared)) {
      const decode = form.decoder<object>(method.item);
      yield items.map((item) => decode(item));
    }
  }

  /** Casts and fanouts: done when the broker has it. */
  async #tell(name: string, method: Method, request: object, server: string | undefined, options: CallOptions): Promise<void> {
    const {
      environment: { metrics },
      limits,
    } = this.#transport;
    const what = `${contractName(this.#contract)}.${name}`;
    checkCallOptions(what, options);
    const version = this.#version(name, server);
    const target = this.#addressing.of(name, method, request, server);
    const metadata = metadataOf(options);
    if (metadata !== undefined) checkMetadata(metadata, limits.maxMetadataBytes, what);
    const attachments: Attachment[] = [];
    const envelope: RequestEnvelope = {
      kind: method.kind,
      topic: this.#contract.topic,
      ...(this.#contract.namespace === undefined ? {} : { namespace: this.#contract.namespace }),
      ...(server === undefined ? {} : { server }),
      method: name,
      version: version.text,
      requestId: this.#requestId(options),
      ...(options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs }),
      ...(metadata === undefined ? {} : { metadata }),
      ...(target.orderKey === undefined ? {} : { orderKey: target.orderKey }),
      body: checkedIn(what, () => encoderFor(method.request, version.minor)(request, attachments)),
    };
    const body = toBytes(JSON.stringify(envelope), limits.maxMessageBytes, what, attachments);
    const id = Calls.of(this.#transport).nextId();
    const heard = this.#hearRefusal(id, envelope);
    const message = {
      exchange: this.#contract.exchange,
      key: target.key,
      body,
      correlationId: id,
      ...(heard ? { replyTo: this.#transport.replyKey } : {}),
      ...(options.timeoutMs === undefined ? {} : { expirationMs: Math.ceil(options.timeoutMs) }),
      mandatory: method.kind === 'cast',
    };
    const onSend = () => metrics.count(method.kind === 'cast' ? 'casts' : 'fanouts', this.#labelsOf(name));
    try {
      if (this.#confirms(target, true))
        await sendConfirmed(this.#transport, what, message, { signal: options.signal, onSend, ordered: target.orderKey !== undefined });
      else await sendUnconfirmed(this.#transport, what, message, { signal: options.signal, onSend });
    } catch (error) {
      if (heard && !(error instanceof ConnectionLost)) Refusals.of(this.#transport).forget(id);
      throw error;
    }
  }

  /** Whether anybody wants to know when a server refuses this. */
  #hearRefusal(id: string, { kind, topic, namespace, method, server, version, requestId }: RequestEnvelope): boolean {
    const refusals = Refusals.of(this.#transport);
    const { onRefused, onOlderPeer } = this.#options;
    if (kind !== 'cast' || (onRefused === undefined && onOlderPeer === undefined && !refusals.heard)) return false;
    refusals.remember(id, { topic, namespace, method, server, version, requestId }, onRefused, (error) => this.#noteRefusal(error, server));
    return true;
  }

  /** Says so where a server turns out to be older than was thought. */
  #noteRefusal(error: RpcError, server: string | undefined): void {
    const peer = this.#options.onOlderPeer === undefined ? undefined : olderPeer(error, server);
    if (peer !== undefined) this.#options.onOlderPeer?.(peer);
  }

  #prepare(
    name: string,
    method: Method,
    request: object,
    server: string | undefined,
    options: CallOptions,
    timeoutMs: number,
    idempotent: boolean,
  ): Omit<CallRequest, 'id' | 'timeoutMs' | 'onReply' | 'onFailure'> & { readonly ordered: boolean; timeoutMs: number } {
    const { limits } = this.#transport;
    const what = `${contractName(this.#contract)}.${name}`;
    checkCallOptions(what, options);
    if (!(timeoutMs > 0)) throw new DeadlineExceeded(`${what}: the deadline had passed before the call`, { timeoutMs });
    const requestId = this.#requestId(options);
    const target = this.#addressing.of(name, method, request, server);
    const metadata = metadataOf(options);
    if (metadata !== undefined) checkMetadata(metadata, limits.maxMetadataBytes, what);
    const beats = this.#beats(method, timeoutMs, options) ? limits.beatMs : undefined;
    const form = new RequestForm(
      {
        what,
        method,
        request,
        ordered: target.orderKey !== undefined,
        maxBytes: limits.maxMessageBytes,
        refused: (error) => this.#noteRefusal(error, server),
        version: () => this.#version(name, server),
        head: (version) => ({
          kind: method.kind,
          topic: this.#contract.topic,
          namespace: this.#contract.namespace,
          server,
          method: name,
          version,
          requestId,
          metadata,
          orderKey: target.orderKey,
          beatMs: beats,
        }),
      },
      Math.ceil(timeoutMs),
    );
    return {
      exchange: this.#contract.exchange,
      key: target.key,
      what,
      timeoutMs,
      // Sent again, it could come after a later message of its key.
      resend: idempotent && target.orderKey === undefined,
      confirm: this.#confirms(target, false),
      ordered: target.orderKey !== undefined,
      signal: options.signal,
      form,
    };
  }

  /** What the caller, its own deadline, the client, the method and the transport allow, in this order; may be below 0. */
  #allowedMs(method: CallMethod<object, object> | StreamMethod<object, object>, options: CallOptions, defaultMs: number): number {
    const ownMs = options.timeoutMs ?? this.#options.timeoutMs ?? method.timeoutMs ?? defaultMs;
    return options.context === undefined ? ownMs : Math.min(ownMs, options.context.deadline - this.#transport.environment.clock.now());
  }

  /** A call or stream that is soon over needs no sign of life, unless it may be given up: beats tell whom to tell. */
  #beats(method: Method, timeoutMs: number, { signal }: CallOptions): boolean {
    return isAwaited(method.kind) && (signal !== undefined || timeoutMs > 2 * this.#transport.limits.beatMs);
  }

  #labelsOf(name: string): RpcLabels {
    let labels = this.#labels.get(name);
    if (labels === undefined)
      this.#labels.set(name, (labels = { topic: this.#contract.topic, method: methodLabel(this.#contract.namespace, name) }));
    return labels;
  }

  /** What keeps its order has to take one channel, and that is the one with confirmations. */
  #confirms({ orderKey }: Target, byDefault: boolean): boolean {
    return orderKey !== undefined || (this.#contract.delivery.confirm ?? byDefault);
  }

  /** Refuses here what the pinned peers have not learned. */
  #version(name: string, server: string | undefined) {
    const version = this.#pin.current(server);
    if (!this.#pin.allows(name, server)) {
      const since = this.#contract.methods[name]?.since;
      if (since === undefined) throw new NoSuchMethod(`${contractName(this.#contract)} has no method ${name}`);
      throw new UnsupportedVersion(`${contractName(this.#contract)}.${name} is since ${since}, but the peers are ${version.text}`, {
        asked: since,
        supported: version.text,
      });
    }
    return version;
  }

  #requestId(options: CallOptions): string {
    return options.requestId ?? options.context?.requestId ?? `req-${this.#transport.environment.random.uuid()}`;
  }
}
