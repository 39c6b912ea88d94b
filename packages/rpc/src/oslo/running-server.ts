import { Admission } from '../server/admission.ts';
import { checkAuthority } from '../server/authorize.ts';
import { encoderFor } from '../codec/codec.ts';
import { Empty } from '../contract/empty.ts';
import { Busy, DeadlineExceeded, RpcError, Unreachable } from '../errors.ts';
import { Deprecations } from '../server/deprecations.ts';
import { Gauges } from '../telemetry/gauges.ts';
import { chain, type IncomingCall } from '../interceptors.ts';
import { interceptHandling, Refused, type Around } from '../server/refused.ts';
import { serverLimits, type EveryServerLimit } from '../server/server-limits.ts';
import type { Delivery, Listener } from '../transport.ts';
import { OsloDispatch, type Dispatched, type OsloEndpoint } from './dispatch.ts';
import { Duplicates } from './duplicates.ts';
import { readRequest, withinLimit, type OsloRequest, type OsloReturn } from './envelope.ts';
import { OsloJob, refuseUnread } from './job.ts';
import type { OsloServeOptions, OsloServer } from './server.ts';
import { serverKey } from './target.ts';
import type { OsloTransport } from './transport.ts';
import { loggedError } from '../telemetry/logged-error.ts';

interface Offer {
  readonly topic: string;
  readonly exchange: string;
  readonly endpoints: readonly OsloEndpoint[];
}

/** Takes messages, lets a bounded number of handlers run, beats while they do, and answers. */
export class OsloRunningServer implements OsloServer {
  readonly #transport: OsloTransport;
  readonly #offer: Offer;
  readonly #deprecations: Deprecations;
  readonly #options: OsloServeOptions & EveryServerLimit;
  readonly #seen: Duplicates;
  readonly #dispatch: OsloDispatch;
  readonly #admission: Admission<OsloJob>;
  /** Undefined where there are none. */
  readonly #around: Around | undefined;
  /** Calls whose handlers run, by their id. */
  readonly #asked = new Map<string, OsloJob>();
  /** What runs or waits, by the id of its message. */
  readonly #inHand = new Map<string, OsloJob>();
  #listeners: Listener[] = [];
  #endGauges: readonly (() => void)[] = [];
  #stopped: Promise<void> | undefined;

  constructor(transport: OsloTransport, offer: Offer, options: OsloServeOptions) {
    this.#transport = transport;
    this.#offer = offer;
    this.#options = { ...options, ...serverLimits(offer.topic, options) };
    this.#deprecations = new Deprecations(transport.environment.log, offer.topic, this.#options.deprecationWarnings);
    this.#admission = new Admission(this.#options.concurrency, (job) => this.#run(job));
    this.#around = chain(transport.environment.interceptors.server, options.interceptors);
    this.#dispatch = new OsloDispatch(offer.endpoints, this.#options.rememberedVersions);
    const { duplicateWindow, duplicateWindowMs } = transport.limits;
    this.#seen = new Duplicates(transport.environment.clock, duplicateWindow, duplicateWindowMs);
  }

  async start(): Promise<void> {
    const { topic, exchange } = this.#offer;
    const { topology } = this.#transport;
    const { server, prefetch } = this.#options;
    const { queue: fanout, release } = this.#transport.fanoutQueue(topic);
    this.#listeners.push({ pause: async () => undefined, close: async () => release() });
    const queues = [topology.topic(exchange, topic), topology.topic(exchange, serverKey(topic, server)), fanout];
    const gauges = Gauges.of(this.#transport);
    this.#endGauges = [
      gauges.add('handlers_running', { topic }, () => this.#admission.running),
      gauges.add('requests_waiting', { topic }, () => this.#admission.waiting),
    ];
    try {
      for (const queue of queues)
        this.#listeners.push(await this.#transport.listen(queue, prefetch, { take: (delivery) => this.#take(delivery) }));
    } catch (error) {
      await this.stop();
      throw error;
    }
    const unwatch: () => void = this.#transport.watch({
      onReturned: (replyExchange, id) => {
        const job = replyExchange === '' ? this.#asked.get(id) : undefined;
        job?.context.abort(new Unreachable(`${job.request.method}: the caller's reply queue is gone`));
      },
    });
    this.#listeners.push({ pause: async () => undefined, close: async () => unwatch() });
  }

  stop(): Promise<void> {
    return (this.#stopped ??= this.#stop());
  }

  async #stop(): Promise<void> {
    const { clock, log } = this.#transport.environment;
    const { graceMs } = this.#options;
    await Promise.all(this.#listeners.map((listener) => listener.pause()));
    await this.#admission.drained(clock, graceMs);
    const left = this.#admission.giveUp();
    if (left.length > 0)
      log.warn({ topic: this.#offer.topic, requests: left.length, graceMs }, 'stopped before all requests were done; handed back');
    for (const end of this.#endGauges) end();
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
    const { uniqueId = '' } = request;
    if (uniqueId !== '' && this.#seen.has(uniqueId)) {
      const job = this.#inHand.get(uniqueId);
      if (job === undefined) delivery.ack();
      else job.join(delivery);
      this.#count('duplicates', request.method);
      return;
    }
    const job = new OsloJob(this.#transport, delivery, request, () => this.#seen.forget(uniqueId));
    if (uniqueId !== '') this.#inHand.set(uniqueId, job);
    this.#admit(job);
  }

  #admit(job: OsloJob): void {
    const limit = this.#options.overloadLimit;
    // What nobody waits for is never refused: prefetch bounds it.
    if (this.#admission.admit(job, job.msgId === undefined ? Number.POSITIVE_INFINITY : limit)) return;
    this.#refuse(job, new Busy(`${this.#offer.topic}: ${this.#admission.waiting} requests wait already`, { limit }));
    this.#end(job);
  }

  #end(job: OsloJob): void {
    const { uniqueId } = job.request;
    if (uniqueId !== undefined && this.#inHand.get(uniqueId) === job) this.#inHand.delete(uniqueId);
    job.end();
  }

  async #run(job: OsloJob): Promise<void> {
    const { clock, metrics } = this.#transport.environment;
    const { msgId } = job;
    if (msgId !== undefined) this.#asked.set(msgId, job);
    if (this.#options.acknowledge === 'before') job.acknowledge();
    const start = clock.monotonic();
    try {
      if (job.context.expired) this.#count('expired', job.request.method);
      else await this.#handle(job);
    } finally {
      this.#end(job);
      if (msgId !== undefined) this.#asked.delete(msgId);
      metrics.duration('handle', clock.monotonic() - start, { topic: this.#offer.topic, method: this.#label(job.request.method) });
    }
  }

  /** Never throws: whatever happens ends as an answer or in the log. */
  async #handle(job: OsloJob): Promise<void> {
    const { context } = job;
    let found: Dispatched;
    try {
      found = this.#dispatch.find(job.request);
    } catch (error) {
      return this.#refuse(job, error);
    }
    try {
      const { method, minor } = found;
      const work = () => this.#work(job, found);
      const result = await (this.#around === undefined ? work() : interceptHandling(this.#around, this.#incoming(job, found), work));
      if (job.msgId === undefined || context.expired) return;
      // Python's None is the answer of what has none.
      const empty = method.kind !== 'call' || method.response === (Empty as unknown);
      job.answer({ result: empty ? null : encoderFor<object>(method.response, minor)(result as object), failure: null });
    } catch (error) {
      if (error instanceof Refused) this.#refuse(job, error.refusal);
      else this.#failed(job, error);
    }
  }

  /** @throws Refused, and whatever the handler throws */
  async #work({ context, request }: OsloJob, { endpoint, method, request: given }: Dispatched): Promise<unknown> {
    if (this.#options.authorize !== undefined)
      await checkAuthority(this.#options.authorize, context).catch((error: RpcError) => {
        throw new Refused(error);
      });
    this.#count('handled', request.method);
    if (method.deprecated !== undefined) {
      this.#count('deprecated', request.method);
      this.#deprecations.note(context, method.deprecated);
    }
    return endpoint.handlers[request.method]?.(context, given);
  }

  #incoming(job: OsloJob, { method, request }: Dispatched): IncomingCall {
    const { context, redelivered } = job;
    const told = method.kind === 'fanout' ? 'fanout' : 'cast';
    const kind = job.msgId === undefined ? told : 'call';
    // Whom it was addressed to is not among what Python's clients send.
    return { kind, topic: this.#offer.topic, method: context.method, server: undefined, request, context, redelivered };
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
    else log.error({ ...fields, err: loggedError(error) }, 'handler failed');
    if (!(context.expired && error instanceof DeadlineExceeded)) job.answer({ result: null, failure: error });
  }

  /** A method that is not ours is not a label: senders could make any number of them. */
  #label(method: string | undefined): string {
    return method !== undefined && this.#offer.endpoints.some(({ contract }) => Object.hasOwn(contract.methods, method))
      ? method
      : 'unknown';
  }

  #count(
    counter: 'handled' | 'handler_errors' | 'deprecated' | 'refused' | 'expired' | 'duplicates',
    method: string | undefined,
    code?: string,
  ): void {
    const labels = { topic: this.#offer.topic, method: this.#label(method), ...(code === undefined ? {} : { code }) };
    this.#transport.environment.metrics.count(counter, labels);
  }
}
