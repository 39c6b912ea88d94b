import { checkCallOptions } from '../client/check-options.ts';
import type { CallOptions } from '../client/client.ts';
import type { Context } from '../context.ts';
import { decoderFor, encoderFor } from '../codec/codec.ts';
import { checkedIn } from '../codec/fields.ts';
import { clientMethods, type ClientMethods } from '../client/client-methods.ts';
import type { CallMethod, Contract, Method } from '../contract/contract.ts';
import { Empty } from '../contract/empty.ts';
import { Busy, ConnectionLost, DeadlineExceeded, NoSuchMethod, RpcError, Unreachable, UnsupportedVersion } from '../errors.ts';
import { intercepted } from '../client/interception.ts';
import type { ClientInterceptor } from '../interceptors.ts';
import { checkWait, MOST_WAIT_MS } from '../options.ts';
import { traceContextOf } from '../wire/metadata.ts';
import { Pin } from '../client/pin.ts';
import { whenConnected, within } from '../waiting.ts';
import { OsloCalls } from './calls.ts';
import { packRequest, withinLimit, type OsloReturn } from './envelope.ts';
import { checkOsloContract, exchangeOf, serverKey } from './target.ts';
import type { OsloMessage, OsloTransport } from './transport.ts';
import { fanoutExchange } from './topology.ts';

/** What one request to a Python service may say beside its content. */
export interface OsloCallOptions {
  /** Milliseconds above 0, at most 2 147 483 647 (24.8 days); never lengthens the deadline of `context`. */
  readonly timeoutMs?: number;
  /** Gives up on a server that is silent for so long; whole seconds, at least 2. Python's servers beat twice in that time. */
  readonly callMonitorSeconds?: number;
  /** The request on whose behalf this one is made: its id travels on as `request_id`, its trace context beside that, its deadline bounds this call. */
  readonly context?: Pick<Context, 'requestId' | 'deadline'> & Partial<Pick<Context, 'metadata'>>;
  /** What a Python endpoint gets as its `ctxt`: user, project, roles. */
  readonly remoteContext?: Readonly<Record<string, unknown>>;
  /** When aborted, the call rejects at once with the signal's reason. oslo.messaging cannot tell the server. */
  readonly signal?: AbortSignal;
}

/** What all requests of a client have in common: oslo.messaging's `prepare`. */
export interface OsloClientOptions {
  /** The version to state, MAJOR.MINOR; a function is asked before every message. Default: the contract's own. */
  readonly pin?: string | (() => string);
  /** The endpoint's namespace. Default: the contract's. */
  readonly namespace?: string;
  /** For calls whose method states none; milliseconds above 0, at most 2 147 483 647. Default: the transport's `callTimeoutMs`. */
  readonly timeoutMs?: number;
  /** For calls that state none; whole seconds, at least 2. Default: servers need not beat. */
  readonly callMonitorSeconds?: number;
  /** Around every request of this client, inside those of the transport. Of their metadata the trace context travels. */
  readonly interceptors?: readonly ClientInterceptor[];
}

/** A function per method of the contract, `at` for one server of the topic, and `supports`. */
export type OsloClient<C extends Contract> = ClientMethods<C['methods'], OsloCallOptions>;

/**
 * A function per method of the contract, sent as oslo.messaging's RPCClient does. The fields of a request are the keyword
 * arguments of the Python method; `Empty` as an answer stands for None.
 *
 * @throws UnsupportedVersion when `pin` is a text that the contract cannot speak; TypeError when it is no version, an option
 *   cannot work, or the contract has a stream, which oslo.messaging has not, or keeps an order by key.
 */
export function createOsloClient<C extends Contract>(
  transport: OsloTransport,
  contract: C,
  options: OsloClientOptions = {},
): OsloClient<C> {
  checkOsloContract(contract);
  checkMonitor(options.callMonitorSeconds);
  checkWait(`client of ${contract.topic}: timeoutMs`, options.timeoutMs);
  const outbox = new OsloOutbox(transport, contract, options);
  const { environment, limits } = transport;
  const { timeoutMs: callTimeoutMs = limits.callTimeoutMs, ...others } = options; // which the method's goes before
  const send = intercepted({ environment, limits: { callTimeoutMs } }, contract, others, (name, method, request, server, given) =>
    outbox.send(name, method, request, server, given),
  );
  return clientMethods<C['methods'], OsloCallOptions>(contract, {
    send,
    checkServer: (server) => serverKey(contract.topic, server),
    supports: (method) => outbox.pin.allows(method),
  });
}

class OsloOutbox {
  readonly pin: Pin;
  readonly #transport: OsloTransport;
  readonly #contract: Contract;
  readonly #options: OsloClientOptions;
  #unconfirmed = 0;

  constructor(transport: OsloTransport, contract: Contract, options: OsloClientOptions) {
    this.#transport = transport;
    this.#contract = contract;
    this.#options = options;
    this.pin = new Pin(contract, options.pin);
  }

  async send(name: string, method: Method, request: object, server: string | undefined, options: Sent): Promise<unknown> {
    const what = `${this.#contract.topic}.${name}`;
    checkCallOptions(what, options);
    const { minor, text } = this.#version(name);
    const head = {
      method: name,
      args: checkedIn(what, () => encoderFor<object>(method.request, minor)(request)),
      namespace: this.#options.namespace ?? this.#contract.namespace,
      version: text,
      context: contextOf(options),
    };
    const { maxMessageBytes } = this.#transport.limits;
    const build = (answer: OsloReturn | undefined) =>
      withinLimit(packRequest({ ...head, answer, uniqueId: this.#transport.uniqueId() }), maxMessageBytes, what);
    if (method.kind === 'call') return this.#call(name, method, server, options, minor, build);
    return this.#tell(name, method, server, options, build(undefined));
  }

  async #call(
    name: string,
    method: CallMethod<object, object>,
    server: string | undefined,
    options: OsloCallOptions,
    minor: number,
    build: (answer: OsloReturn) => Buffer,
  ): Promise<object> {
    const { environment, limits } = this.#transport;
    const { clock, metrics } = environment;
    const { topic } = this.#contract;
    const what = `${topic}.${name}`;
    const ownMs = options.timeoutMs ?? method.timeoutMs ?? this.#options.timeoutMs ?? limits.callTimeoutMs;
    const timeoutMs = options.context === undefined ? ownMs : Math.min(ownMs, options.context.deadline - clock.now());
    if (!(timeoutMs > 0)) throw new DeadlineExceeded(`${what}: the deadline had passed before the call`, { timeoutMs });
    const monitorSeconds = options.callMonitorSeconds ?? this.#options.callMonitorSeconds;
    checkMonitor(monitorSeconds);
    const labels = { topic, method: name };
    metrics.count('calls', labels);
    const start = clock.monotonic();
    try {
      const result = await OsloCalls.of(this.#transport).run({
        exchange: exchangeOf(this.#transport, this.#contract),
        key: server === undefined ? topic : serverKey(topic, server),
        what,
        timeoutMs,
        monitorMs: monitorSeconds === undefined ? undefined : monitorSeconds * 1_000,
        resend: method.idempotent,
        signal: options.signal,
        build: (msgId, queue) => build({ msgId, queue, monitorSeconds }),
      });
      const plain = result === null && (method.response as unknown) === Empty ? {} : result;
      return checkedIn(what, () => decoderFor<object>(method.response, minor)(plain));
    } catch (error) {
      metrics.count('call_failures', { ...labels, code: error instanceof RpcError ? error.code : 'aborted' });
      throw error;
    } finally {
      metrics.duration('call', clock.monotonic() - start, labels);
    }
  }

  /** Casts and fanouts: done when the broker has it. A fanout that nobody listens to is done too. */
  async #tell(name: string, { kind }: Method, server: string | undefined, options: OsloCallOptions, body: Buffer): Promise<void> {
    const { environment, limits } = this.#transport;
    const { topic } = this.#contract;
    const what = `${topic}.${name}`;
    if (this.#unconfirmed >= limits.maxUnconfirmed) {
      throw new Busy(`${what}: ${limits.maxUnconfirmed} messages are not confirmed yet, the limit (maxUnconfirmed)`, {
        limit: limits.maxUnconfirmed,
      });
    }
    this.#unconfirmed++;
    try {
      await whenConnected(this.#transport, limits.connectWaitMs, options.signal);
      environment.metrics.count(kind === 'cast' ? 'casts' : 'fanouts', { topic, method: name });
      const late = () =>
        new ConnectionLost(`${what}: the broker did not confirm within ${limits.confirmWaitMs} ms; the outcome is unknown`);
      const expiry = options.timeoutMs === undefined ? {} : { expirationMs: Math.ceil(options.timeoutMs) };
      const sent =
        kind === 'fanout'
          ? this.#fan({ exchange: fanoutExchange(topic), key: '', body, mandatory: false, ...expiry })
          : this.#cast({ exchange: '', key: server === undefined ? topic : serverKey(topic, server), body, mandatory: true, ...expiry });
      await within(environment.clock, limits.confirmWaitMs, sent, late);
    } finally {
      this.#unconfirmed--;
    }
  }

  async #cast(message: OsloMessage): Promise<void> {
    const exchange = exchangeOf(this.#transport, this.#contract);
    await this.#transport.ensureExchange(exchange);
    await this.#transport.sendConfirmed({ ...message, exchange }, undefined);
  }

  async #fan(message: OsloMessage): Promise<void> {
    try {
      await this.#transport.sendConfirmed(message, { fanout: this.#contract.topic });
    } catch (error) {
      // The exchange went with its last listener after it was declared.
      if (!(error instanceof Unreachable) || !this.#transport.connected) throw error;
    }
  }

  /** Refuses here what the pinned peers have not learned. */
  #version(name: string) {
    const version = this.pin.current();
    if (this.pin.allows(name)) return version;
    const { topic, methods } = this.#contract;
    const since = methods[name]?.since;
    if (since === undefined) throw new NoSuchMethod(`${topic} has no method ${name}`);
    throw new UnsupportedVersion(`${topic}.${name} is since ${since}, but the peers are ${version.text}`, {
      asked: since,
      supported: version.text,
    });
  }
}

/** Options, and what interceptors made of them. */
type Sent = OsloCallOptions & Pick<CallOptions, 'requestId' | 'metadata'>;

/** oslo.messaging has one place for what goes beside the arguments. */
function contextOf({ context, requestId = context?.requestId, metadata, remoteContext = {} }: Sent): Readonly<Record<string, unknown>> {
  const trace = traceContextOf(metadata) ?? traceContextOf(context?.metadata);
  return { ...(requestId === undefined ? {} : { request_id: requestId }), ...trace, ...remoteContext };
}

const MOST_SECONDS = Math.floor(MOST_WAIT_MS / 1_000);

/** Python's servers ignore less than 2 s (rpc/dispatcher.py), and the call would always fail. */
function checkMonitor(seconds: number | undefined): void {
  if (seconds !== undefined && !(Number.isInteger(seconds) && seconds >= 2 && seconds <= MOST_SECONDS))
    throw new TypeError(`callMonitorSeconds: expected a whole number from 2 to ${MOST_SECONDS}, got ${seconds}`);
}
