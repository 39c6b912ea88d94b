import { encoderFor } from '../codec/codec.ts';
import { Empty } from '../empty.ts';
import { Busy, DeadlineExceeded, NotAuthorized, RpcError, Unreachable } from '../errors.ts';
import type { Delivery, Listener } from '../transport.ts';
import { OsloDispatch, type OsloContext, type OsloEndpoint } from './dispatch.ts';
import { Duplicates } from './duplicates.ts';
import { readRequest, withinLimit, type OsloRequest, type OsloReturn } from './envelope.ts';
import { OsloJob, refuseUnread } from './job.ts';
import type { OsloServeOptions, OsloServer } from './server.ts';
import { serverKey } from './target.ts';
import type { OsloTransport } from './transport.ts';

const DEFAULTS = { concurrency: 64, overloadLimit: 256, graceMs: 10_000, acknowledge: 'after' } as const;
/** Room for casts, which are never refused, beside the calls that wait. */
const SPARE_PREFETCH = 32;

interface Offer {
  readonly topic: string;
  readonly exchange: string;
  readonly endpoints: readonly OsloEndpoint[];
}

/** Takes messages, lets a bounded number of handlers run, beats while they do, and answers. */
export class OsloRunningServer implements OsloServer {
  readonly #transport: OsloTransport;
  readonly #offer: Offer;
  readonly #options: OsloServeOptions & { readonly [Name in keyof typeof DEFAULTS]: NonNullable<OsloServeOptions[Name]> };
  readonly #seen: Duplicates;
  readonly #dispatch: OsloDispatch;
  readonly #running = new Set<OsloJob>();
  #listeners: Listener[] = [];
  #waiting: OsloJob[] = [];
  #idle: (() => void) | undefined;
  #stopped: Promise<void> | undefined;

  constructor(transport: OsloTransport, offer: Offer, options: OsloServeOptions) {
    this.#transport = transport;
    this.#offer = offer;
    this.#options = { ...DEFAULTS, ...options };
    for (const name of ['concurrency', 'overloadLimit', 'graceMs'] as const) {
      const least = name === 'concurrency' ? 1 : 0;
      if (!(this.#options[name] >= least))
        throw new TypeError(`${name} of ${offer.topic}: expected a number of at least ${least}, got ${this.#options[name]}`);
    }
    this.#dispatch = new OsloDispatch(offer.endpoints);
    const { duplicateWindow, duplicateWindowMs } = transport.limits;
    this.#seen = new Duplicates(transport.environment.clock, duplicateWindow, duplicateWindowMs);
  }

  async start(): Promise<void> {
    const { topic, exchange } = this.#offer;
    const { topology, unique } = this.#transport;
    const { server, concurrency, overloadLimit } = this.#options;
    const queues = [topology.topic(exchange, topic), topology.topic(exchange, serverKey(topic, server)), topology.fanout(topic, unique)];
    const prefetch = this.#options.prefetch ?? concurrency + overloadLimit + SPARE_PREFETCH;
    for (const queue of queues)
      this.#listeners.push(await this.#transport.listen(queue, prefetch, { take: (delivery) => this.#take(delivery) }));
    const unwatch: () => void = this.#transport.watch({
      onReturned: (replyExchange, id) => {
        if (replyExchange !== '') return;
        for (const job of this.#running)
          if (job.msgId === id) job.context.abort(new Unreachable(`${job.request.method}: the caller's reply queue is gone`));
      },
    });
    this.#listeners.push({ pause: async () => undefined, close: async () => unwatch() });
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
        { topic: this.#offer.topic, requests: left.length, graceMs: this.#options.graceMs },
        'stopped before all requests were done; handed back',
      );
    this.#waiting = [];
    for (const job of left) job.handBack(new Unreachable(`${this.#offer.topic}: the server stops`));
    await Promise.all(this.#listeners.map((listener) => listener.close()));
  }

  #take(delivery: Delivery): void {
    const { log } = this.#transport.environment;
    let request: OsloRequest;
    try {
      request = readRequest(withinLimit(delivery.body, this.#transport.limits.maxMessageBytes, 'the request'));
    } catch (error) {
      delivery.ack();
      if (!(error instanceof RpcError)) throw error;
      this.#count('refused', undefined, error.code);
      const answer = error.details?.['answer'] as OsloReturn | undefined;
      if (answer !== undefined) refuseUnread(this.#transport, answer, error);
      log.warn({ topic: this.#offer.topic, code: error.code, reason: error.message }, 'a request could not be read and is dropped');
      return;
    }
    if (request.uniqueId !== undefined && this.#seen.has(request.uniqueId)) {
      delivery.ack();
      this.#count('duplicates', request.method);
      return;
    }
    const job = new OsloJob(this.#transport, delivery, request, () => this.#seen.forget(request.uniqueId ?? ''));
    this.#admit(job);
  }

  #admit(job: OsloJob): void {
    if (this.#running.size < this.#options.concurrency) return void this.#run(job);
    if (job.msgId !== undefined && this.#waiting.length >= this.#options.overloadLimit) {
      const limit = this.#options.overloadLimit;
      this.#refuse(job, new Busy(`${this.#offer.topic}: ${this.#waiting.length} requests wait already`, { limit }));
      return job.end();
    }
    this.#waiting.push(job); // bounded by prefetch
  }

  async #run(job: OsloJob): Promise<void> {
    const { clock, metrics } = this.#transport.environment;
    this.#running.add(job);
    if (this.#options.acknowledge === 'before') job.acknowledge();
    const start = clock.monotonic();
    try {
      if (job.context.expired) this.#count('expired', job.request.method);
      else await this.#handle(job);
    } finally {
      job.end();
      this.#running.delete(job);
      metrics.duration('handle', clock.monotonic() - start, { topic: this.#offer.topic, method: this.#label(job.request.method) });
      this.#next();
    }
  }

  #next(): void {
    const job = this.#waiting.shift();
    if (job !== undefined) void this.#run(job);
    else if (this.#running.size === 0) this.#idle?.();
  }

  /** Never throws: whatever happens ends as an answer or in the log. */
  async #handle(job: OsloJob): Promise<void> {
    const { context, request } = job;
    let found;
    try {
      found = this.#dispatch.find(request);
      if (this.#options.authorize !== undefined) await this.#authorize(this.#options.authorize, context);
    } catch (error) {
      return this.#refuse(job, error);
    }
    try {
      this.#count('handled', request.method);
      const { endpoint, method, minor } = found;
      const result = await endpoint.handlers[request.method]?.(context, found.request);
      if (job.msgId === undefined || context.expired) return;
      // Python's None is the answer of what has none.
      const empty = method.kind !== 'call' || method.response === (Empty as unknown);
      job.answer({ result: empty ? null : encoderFor<object>(method.response, minor)(result as object), failure: null });
    } catch (error) {
      this.#failed(job, error);
    }
  }

  async #authorize(authorize: NonNullable<OsloServeOptions['authorize']>, context: OsloContext): Promise<void> {
    try {
      await authorize(context.method, context);
    } catch (error) {
      if (error instanceof RpcError) throw error;
      throw new NotAuthorized(error instanceof Error ? error.message : 'not authorized', { method: context.method });
    }
  }

  #refuse(job: OsloJob, error: unknown): void {
    const { context, request } = job;
    const code = error instanceof RpcError ? error.code : 'unknown';
    this.#count('refused', request.method, code);
    this.#transport.environment.log.warn(
      {
        topic: this.#offer.topic,
        method: request.method,
        requestId: context.requestId,
        caller: context.caller,
        code,
        reason: String(error),
      },
      'message refused',
    );
    job.answer({ result: null, failure: error });
  }

  #failed(job: OsloJob, error: unknown): void {
    const { context, request } = job;
    const { log } = this.#transport.environment;
    const fields = { topic: this.#offer.topic, method: request.method, requestId: context.requestId };
    this.#count('handler_errors', request.method, error instanceof RpcError ? error.code : 'unknown');
    // The application's own errors are answers; a caller who left, or ran out of time, is told nothing.
    if (error instanceof RpcError && job.msgId !== undefined)
      log.debug({ ...fields, code: error.code, reason: error.message }, 'request failed');
    else log.error({ ...fields, err: error }, 'handler failed');
    if (!(context.expired && error instanceof DeadlineExceeded)) job.answer({ result: null, failure: error });
  }

  /** A method that is not ours is not a label: senders could make any number of them. */
  #label(method: string | undefined): string {
    return method !== undefined && this.#offer.endpoints.some(({ contract }) => Object.hasOwn(contract.methods, method))
      ? method
      : 'unknown';
  }

  #count(counter: 'handled' | 'handler_errors' | 'refused' | 'expired' | 'duplicates', method: string | undefined, code?: string): void {
    const labels = { topic: this.#offer.topic, method: this.#label(method), ...(code === undefined ? {} : { code }) };
    this.#transport.environment.metrics.count(counter, labels);
  }
}
