import { Beats } from './beats.ts';
import { Calls } from './calls.ts';
import { encoderFor } from './codec/codec.ts';
import type { Context } from './context.ts';
import type { Contract } from './contract.ts';
import { Dispatch, type Verdict } from './dispatch.ts';
import type { RpcLabels } from './environment.ts';
import { Busy, DeadlineExceeded, NotAuthorized, RpcError, Unreachable } from './errors.ts';
import { RequestContext } from './request-context.ts';
import type { ServeOptions, Server } from './server.ts';
import { ReaderLeft, sendStream } from './stream-sender.ts';
import type { Address, Delivery, Listener, Transport } from './transport.ts';
import { answerText, checkServerName, errorText, handlerError, ownError, toBytes, type RequestEnvelope } from './wire.ts';

export type AnyHandler = (context: Context, request: object) => unknown;

type Accepted = Extract<Verdict, { verdict: 'run' }>;
interface Job {
  readonly delivery: Delivery;
  readonly accepted: Accepted;
  readonly context: RequestContext;
  /** Ends its signs of life. */
  readonly endBeats: (() => void) | undefined;
}

const DEFAULTS = { concurrency: 64, overloadLimit: 256, graceMs: 10_000 };
/** Room for casts, which are never refused, beside the calls that wait. */
const SPARE_PREFETCH = 32;

/** Takes messages, lets a bounded number of handlers run, answers, and acknowledges when the handler is done. */
export class RunningServer implements Server {
  readonly #transport: Transport;
  readonly #contract: Contract;
  readonly #handlers: Readonly<Record<string, AnyHandler>>;
  readonly #options: ServeOptions & typeof DEFAULTS;
  readonly #dispatch: Dispatch;
  readonly #beats: Beats;
  readonly #running = new Set<Job>();
  /** Made once per method: they go with every request. */
  readonly #labels = new Map<string, RpcLabels>();
  #listeners: Listener[] = [];
  #waiting: Job[] = [];
  #idle: (() => void) | undefined;
  #stopped: Promise<void> | undefined;

  constructor(transport: Transport, contract: Contract, handlers: Readonly<Record<string, AnyHandler>>, options: ServeOptions) {
    this.#transport = transport;
    this.#contract = contract;
    this.#handlers = handlers;
    this.#options = { ...DEFAULTS, ...options };
    for (const name of ['concurrency', 'overloadLimit', 'graceMs'] as const) {
      const value = this.#options[name];
      if (!(value >= (name === 'concurrency' ? 1 : 0)))
        throw new TypeError(`${name} of ${contract.topic}: expected a number of at least ${name === 'concurrency' ? 1 : 0}, got ${value}`);
    }
    if (options.server !== undefined) checkServerName(options.server);
    this.#beats = new Beats(transport);
    this.#dispatch = new Dispatch(contract, options.server);
  }

  async start(): Promise<void> {
    Calls.of(this.#transport); // credits of streams come by the reply queue
    const { topic, exchange, methods } = this.#contract;
    const { server, shared = !this.#transport.steward, concurrency, overloadLimit } = this.#options;
    const addresses: Address[] = [];
    if (shared) addresses.push({ kind: 'topic', exchange, topic });
    if (server !== undefined) addresses.push({ kind: 'server', exchange, topic, server });
    if (Object.values(methods).some(({ kind }) => kind === 'fanout')) addresses.push({ kind: 'fanout', exchange, topic });
    const prefetch = this.#options.prefetch ?? concurrency + overloadLimit + SPARE_PREFETCH;
    for (const address of addresses) {
      this.#listeners.push(await this.#transport.listen(address, prefetch, (delivery) => this.#take(delivery, address)));
    }
  }

  stop(): Promise<void> {
    return (this.#stopped ??= this.#stop());
  }

  async #stop(): Promise<void> {
    const { clock, log } = this.#transport.environment;
    await Promise.all(this.#listeners.map((listener) => listener.pause()));
    if (this.#running.size + this.#waiting.length > 0) {
      await new Promise<void>((resolve) => {
        const cancel = clock.after(this.#options.graceMs, resolve);
        this.#idle = () => {
          cancel();
          resolve();
        };
      });
    }
    const left = [...this.#running, ...this.#waiting];
    if (left.length > 0)
      log.warn(
        { topic: this.#contract.topic, requests: left.length, graceMs: this.#options.graceMs },
        'stopped before all requests were done; handed back',
      );
    this.#waiting = [];
    for (const job of left) {
      job.context.abort(new Unreachable(`${this.#contract.topic}: the server stops`));
      job.delivery.requeue();
    }
    this.#beats.stop();
    await Promise.all(this.#listeners.map((listener) => listener.close()));
  }

  #take(delivery: Delivery, address: Address): void {
    const { clock } = this.#transport.environment;
    const verdict = this.#dispatch.judge(delivery, address);
    if (verdict.verdict === 'run') {
      const { envelope } = verdict;
      const context = new RequestContext(clock, {
        requestId: envelope.requestId,
        deadline: envelope.timeoutMs === undefined ? Number.POSITIVE_INFINITY : clock.now() + envelope.timeoutMs,
        caller: delivery.userId,
        method: envelope.method,
        version: envelope.version,
      });
      const { beatMs } = envelope;
      const endBeats = beatMs === undefined || envelope.kind !== 'call' ? undefined : this.#beats.watch(delivery, context, beatMs);
      this.#admit({ delivery, accepted: verdict, context, endBeats });
    } else if (verdict.verdict === 'refuse') {
      this.#refuse(delivery, verdict);
    } else {
      this.#count(verdict.verdict, verdict.envelope);
      if (verdict.verdict === 'misdirected') {
        const { topic, server, method } = verdict.envelope;
        this.#transport.environment.log.warn({ topic, server, method, caller: delivery.userId }, 'message for another server dropped');
      }
      delivery.ack();
    }
  }

  #admit(job: Job): void {
    if (this.#running.size < this.#options.concurrency) return void this.#run(job);
    const { envelope } = job.accepted;
    const awaited = envelope.kind === 'call' || envelope.kind === 'stream';
    if (awaited && this.#waiting.length >= this.#options.overloadLimit) {
      const error = new Busy(`${this.#contract.topic}: ${this.#waiting.length} requests wait already`, {
        limit: this.#options.overloadLimit,
      });
      this.#count('refused', envelope, error.code);
      this.#answer(job.delivery, errorText(ownError(error)));
      job.endBeats?.();
      job.delivery.ack();
      return;
    }
    this.#waiting.push(job); // bounded by prefetch
  }

  #refuse(delivery: Delivery, { error, envelope, poison }: Extract<Verdict, { verdict: 'refuse' }>): void {
    const { log } = this.#transport.environment;
    this.#count('refused', envelope, error.code);
    log.warn(
      {
        topic: this.#contract.topic,
        method: envelope?.method,
        requestId: envelope?.requestId,
        caller: delivery.userId,
        code: error.code,
        reason: error.message,
      },
      'message refused',
    );
    this.#answer(delivery, errorText(ownError(error)));
    if (!poison) return delivery.ack();
    this.#count('dead_lettered', envelope, error.code);
    this.#transport.deadLetter(delivery, this.#contract.topic, `${error.code}: ${error.message}`);
  }

  async #run(job: Job): Promise<void> {
    const { clock, metrics } = this.#transport.environment;
    const { envelope } = job.accepted;
    this.#running.add(job);
    const start = clock.monotonic();
    try {
      if (job.context.cancelled) this.#count('cancelled', envelope);
      else if (job.context.expired) this.#count('expired', envelope);
      else await this.#handle(job);
    } finally {
      job.context.end();
      job.endBeats?.();
      job.delivery.ack();
      this.#running.delete(job);
      metrics.duration('handle', clock.monotonic() - start, this.#labelsOf(envelope.method));
      this.#next();
    }
  }

  #next(): void {
    const job = this.#waiting.shift();
    if (job !== undefined) void this.#run(job);
    else if (this.#running.size === 0) this.#idle?.();
  }

  /** Never throws: whatever the handler does ends as an answer or in the log. */
  async #handle({ delivery, accepted, context }: Job): Promise<void> {
    const { envelope, method, request, minor } = accepted;
    const handler = this.#handlers[envelope.method] as AnyHandler;
    try {
      if (this.#options.authorize !== undefined) {
        const refusal = await this.#authorize(this.#options.authorize, context);
        if (refusal !== undefined) {
          this.#count('refused', envelope, refusal.code);
          return this.#answer(delivery, errorText(ownError(refusal)));
        }
      }
      this.#count('handled', envelope);
      const result = handler(context, request);
      if (method.kind === 'stream') {
        const target = { replyTo: delivery.replyTo ?? '', correlationId: delivery.correlationId ?? '', signal: context.signal };
        await sendStream(
          this.#transport,
          target,
          result as AsyncIterable<readonly object[]>,
          encoderFor<object>(method.item, minor) as (item: unknown) => unknown,
        );
        return;
      }
      const answer = await result;
      if (method.kind === 'call' && !context.expired && !context.cancelled)
        this.#answer(delivery, answerText(encoderFor<object>(method.response, minor)(answer as object)));
    } catch (error) {
      if (!(error instanceof ReaderLeft)) this.#failed(delivery, envelope, context, error);
    }
  }

  #failed(delivery: Delivery, envelope: RequestEnvelope, context: RequestContext, error: unknown): void {
    const { log } = this.#transport.environment;
    const fields = { topic: envelope.topic, method: envelope.method, requestId: envelope.requestId };
    if (context.cancelled) return this.#count('cancelled', envelope);
    this.#count('handler_errors', envelope, error instanceof RpcError ? error.code : 'unknown');
    // The application's own errors are answers; a caller who left, or ran out of time, is told nothing.
    if (error instanceof RpcError && (envelope.kind === 'call' || envelope.kind === 'stream'))
      log.debug({ ...fields, code: error.code, reason: error.message }, 'request failed');
    else log.error({ ...fields, err: error }, 'handler failed');
    if (context.expired && error instanceof DeadlineExceeded) return;
    this.#answer(delivery, failureText(error));
  }

  async #authorize(authorize: NonNullable<ServeOptions['authorize']>, context: Context): Promise<RpcError | undefined> {
    try {
      await authorize(context.method, context);
      return undefined;
    } catch (error) {
      if (error instanceof RpcError) return error;
      return new NotAuthorized(error instanceof Error ? error.message : 'not authorized', { method: context.method });
    }
  }

  #answer(delivery: Delivery, text: string): void {
    if (delivery.replyTo === undefined || delivery.correlationId === undefined || !delivery.replyTo.startsWith('reply.')) return;
    const { limits } = this.#transport;
    let bytes: Buffer;
    try {
      bytes = toBytes(text, limits.maxMessageBytes, 'the answer');
    } catch (error) {
      bytes = Buffer.from(errorText(ownError(error as RpcError)));
    }
    Calls.of(this.#transport).reply(delivery.replyTo, delivery.correlationId, bytes);
  }

  #count(
    counter: 'handled' | 'handler_errors' | 'refused' | 'expired' | 'cancelled' | 'misdirected' | 'dead_lettered',
    envelope: RequestEnvelope | undefined,
    code?: string,
  ): void {
    // A method that is not ours is not a label: senders could make any number of them.
    const method = envelope !== undefined && Object.hasOwn(this.#contract.methods, envelope.method) ? envelope.method : 'unknown';
    const labels = this.#labelsOf(method);
    this.#transport.environment.metrics.count(counter, code === undefined ? labels : { ...labels, code });
  }

  /** Only of methods that are ours, or `unknown`. */
  #labelsOf(method: string): RpcLabels {
    let labels = this.#labels.get(method);
    if (labels === undefined) this.#labels.set(method, (labels = { topic: this.#contract.topic, method }));
    return labels;
  }
}

/** Details that JSON cannot carry must not hide the error itself. */
function failureText(error: unknown): string {
  const wire = handlerError(error);
  try {
    return errorText(wire);
  } catch {
    return errorText({ kind: wire.kind, code: wire.code, message: wire.message });
  }
}
