import { Admission } from './admission.ts';
import { Answers } from './answers.ts';
import { Beats } from './beats.ts';
import { Calls } from './calls.ts';
import type { Contract } from './contract.ts';
import { Dispatch, type Verdict } from './dispatch.ts';
import { Busy, Unreachable } from './errors.ts';
import { Execution } from './execution.ts';
import type { AnyHandler, Job } from './job.ts';
import { RequestContext } from './request-context.ts';
import { ServerCounts } from './server-counts.ts';
import { serverLimits, type ServerLimits } from './server-limits.ts';
import type { ServeOptions, Server } from './server.ts';
import type { Address, Delivery, Listener, Transport } from './transport.ts';
import { checkServerName, isAwaited } from './wire.ts';

/** Takes messages off the queues, judges them, and gives each its way: run, refused, dropped. */
export class RunningServer implements Server {
  readonly #transport: Transport;
  readonly #contract: Contract;
  readonly #handlers: Readonly<Record<string, AnyHandler>>;
  readonly #options: ServeOptions & Required<ServerLimits>;
  readonly #dispatch: Dispatch;
  readonly #beats: Beats;
  readonly #answers: Answers;
  readonly #counts: ServerCounts;
  readonly #admission: Admission<Job>;
  #listeners: Listener[] = [];
  #stopped: Promise<void> | undefined;

  constructor(transport: Transport, contract: Contract, handlers: Readonly<Record<string, AnyHandler>>, options: ServeOptions) {
    this.#transport = transport;
    this.#contract = contract;
    this.#handlers = handlers;
    this.#options = { ...options, ...serverLimits(contract.topic, options) };
    if (options.server !== undefined) checkServerName(options.server);
    this.#beats = new Beats(transport);
    this.#dispatch = new Dispatch(contract, options.server);
    this.#answers = new Answers(transport);
    this.#counts = new ServerCounts(transport.environment.metrics, contract);
    const execution = new Execution(transport, this.#answers, this.#counts, options);
    this.#admission = new Admission(this.#options.concurrency, (job) => execution.run(job));
  }

  async start(): Promise<void> {
    Calls.of(this.#transport); // credits of streams come by the reply queue
    const { topic, exchange, methods } = this.#contract;
    const { server, shared = !this.#transport.steward, prefetch } = this.#options;
    const addresses: Address[] = [];
    if (shared) addresses.push({ kind: 'topic', exchange, topic });
    if (server !== undefined) addresses.push({ kind: 'server', exchange, topic, server });
    if (Object.values(methods).some(({ kind }) => kind === 'fanout')) addresses.push({ kind: 'fanout', exchange, topic });
    for (const address of addresses) {
      this.#listeners.push(await this.#transport.listen(address, prefetch, (delivery) => this.#take(delivery, address)));
    }
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
      log.warn({ topic: this.#contract.topic, requests: left.length, graceMs }, 'stopped before all requests were done; handed back');
    for (const job of left) {
      job.context.abort(new Unreachable(`${this.#contract.topic}: the server stops`));
      job.delivery.requeue();
    }
    this.#beats.stop();
    await Promise.all(this.#listeners.map((listener) => listener.close()));
  }

  #take(delivery: Delivery, address: Address): void {
    const verdict = this.#dispatch.judge(delivery, address);
    if (verdict.verdict === 'run') {
      this.#admit(this.#job(delivery, verdict));
    } else if (verdict.verdict === 'refuse') {
      this.#refuse(delivery, verdict);
    } else {
      const { topic, server, method } = verdict.envelope;
      this.#counts.count(verdict.verdict, method);
      if (verdict.verdict === 'misdirected')
        this.#transport.environment.log.warn({ topic, server, method, caller: delivery.userId }, 'message for another server dropped');
      delivery.ack();
    }
  }

  #job(delivery: Delivery, accepted: Job['accepted']): Job {
    const { clock } = this.#transport.environment;
    const { envelope } = accepted;
    const context = new RequestContext(clock, {
      requestId: envelope.requestId,
      deadline: envelope.timeoutMs === undefined ? Number.POSITIVE_INFINITY : clock.now() + envelope.timeoutMs,
      caller: delivery.userId,
      method: envelope.method,
      version: envelope.version,
      metadata: envelope.metadata,
    });
    const { beatMs } = envelope;
    const endBeats = beatMs === undefined || envelope.kind !== 'call' ? undefined : this.#beats.watch(delivery, context, beatMs);
    return { delivery, accepted, handler: this.#handlers[envelope.method] as AnyHandler, context, endBeats };
  }

  #admit(job: Job): void {
    const { kind, method } = job.accepted.envelope;
    const { overloadLimit } = this.#options;
    // What nobody waits for is never refused: prefetch bounds it.
    if (this.#admission.admit(job, isAwaited(kind) ? overloadLimit : Number.POSITIVE_INFINITY)) return;
    const error = new Busy(`${this.#contract.topic}: ${this.#admission.waiting} requests wait already`, { limit: overloadLimit });
    this.#counts.count('refused', method, error.code);
    this.#answers.refuse(job.delivery, error);
    job.endBeats?.();
    job.delivery.ack();
  }

  #refuse(delivery: Delivery, { error, envelope, poison }: Extract<Verdict, { verdict: 'refuse' }>): void {
    const { topic } = this.#contract;
    const { code, message } = error;
    this.#counts.count('refused', envelope?.method, code);
    this.#transport.environment.log.warn(
      { topic, method: envelope?.method, requestId: envelope?.requestId, caller: delivery.userId, code, reason: message },
      'message refused',
    );
    this.#answers.refuse(delivery, error);
    if (!poison) return delivery.ack();
    this.#counts.count('dead_lettered', envelope?.method, code);
    this.#transport.deadLetter(delivery, topic, `${code}: ${message}`);
  }
}
