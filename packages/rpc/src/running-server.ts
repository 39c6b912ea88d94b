import { Admission } from './admission.ts';
import { Answers } from './answers.ts';
import { Beats } from './beats.ts';
import { Calls } from './calls.ts';
import type { Contract } from './contract.ts';
import type { Endpoint } from './endpoint.ts';
import { Dispatch, type Verdict } from './dispatch.ts';
import { Busy, Unreachable } from './errors.ts';
import { Execution } from './execution.ts';
import { Gauges } from './gauges.ts';
import type { AnyHandler, Job } from './job.ts';
import { RequestContext } from './request-context.ts';
import { claim } from './served.ts';
import { ServerCounts } from './server-counts.ts';
import { serverLimits, type ServerLimits } from './server-limits.ts';
import type { ServeOptions, Server } from './server.ts';
import type { Address, Delivery, Listener, Transport } from './transport.ts';
import { checkServerName, isAwaited } from './wire.ts';

/** Takes messages off the queues, judges them, and gives each its way: run, refused, dropped. */
export class RunningServer implements Server {
  readonly #transport: Transport;
  readonly #contracts: readonly Contract[];
  readonly #topic: string;
  readonly #exchange: string;
  readonly #options: ServeOptions & Required<ServerLimits>;
  readonly #dispatch: Dispatch;
  readonly #beats: Beats;
  readonly #answers: Answers;
  readonly #counts: ServerCounts;
  readonly #admission: Admission<Job>;
  #listeners: Listener[] = [];
  #unclaim: (() => void) | undefined;
  #endGauges: readonly (() => void)[] = [];
  #stopped: Promise<void> | undefined;

  constructor(transport: Transport, endpoints: readonly Endpoint[], options: ServeOptions) {
    this.#transport = transport;
    this.#contracts = endpoints.map(({ contract }) => contract);
    const { topic, exchange } = placeOf(this.#contracts);
    this.#topic = topic;
    this.#exchange = exchange;
    this.#options = { ...options, ...serverLimits(topic, options) };
    if (options.server !== undefined) checkServerName(options.server);
    this.#beats = new Beats(transport);
    this.#dispatch = new Dispatch(topic, endpoints, options.server);
    this.#answers = new Answers(transport);
    this.#counts = new ServerCounts(transport.environment.metrics, topic, this.#contracts);
    const execution = new Execution(transport, this.#answers, this.#counts, options);
    this.#admission = new Admission(this.#options.concurrency, (job) => execution.run(job));
  }

  async start(): Promise<void> {
    Calls.of(this.#transport); // credits of streams come by the reply queue
    const { prefetch } = this.#options;
    const addresses = this.#addresses();
    this.#unclaim = claim(this.#transport, addresses);
    this.#endGauges = this.#gauges();
    try {
      for (const address of addresses) {
        this.#listeners.push(await this.#transport.listen(address, prefetch, (delivery) => this.#take(delivery, address)));
      }
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  #gauges(): readonly (() => void)[] {
    const gauges = Gauges.of(this.#transport);
    const labels = { topic: this.#topic };
    return [
      gauges.add('handlers_running', labels, () => this.#admission.running),
      gauges.add('requests_waiting', labels, () => this.#admission.waiting),
    ];
  }

  #addresses(): readonly Address[] {
    const { server, shared = !this.#transport.steward } = this.#options;
    const place = { exchange: this.#exchange, topic: this.#topic };
    const fanouts = this.#contracts.some(({ methods }) => Object.values(methods).some(({ kind }) => kind === 'fanout'));
    return [
      ...(shared ? [{ kind: 'topic' as const, ...place }] : []),
      ...(server === undefined ? [] : [{ kind: 'server' as const, ...place, server }]),
      ...(fanouts ? [{ kind: 'fanout' as const, ...place }] : []),
    ];
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
      log.warn({ topic: this.#topic, requests: left.length, graceMs }, 'stopped before all requests were done; handed back');
    for (const job of left) {
      job.context.abort(new Unreachable(`${this.#topic}: the server stops`));
      job.delivery.requeue();
    }
    this.#beats.stop();
    for (const end of this.#endGauges) end();
    await Promise.all(this.#listeners.map((listener) => listener.close()));
    this.#unclaim?.();
  }

  #take(delivery: Delivery, address: Address): void {
    const verdict = this.#dispatch.judge(delivery, address);
    if (verdict.verdict === 'run') {
      this.#admit(this.#job(delivery, verdict));
    } else if (verdict.verdict === 'refuse') {
      this.#refuse(delivery, verdict);
    } else {
      const { topic, server, method } = verdict.envelope;
      this.#counts.count(verdict.verdict, verdict.envelope);
      if (verdict.verdict === 'misdirected')
        this.#transport.environment.log.warn({ topic, server, method, caller: delivery.userId }, 'message for another server dropped');
      delivery.ack();
    }
  }

  #job(delivery: Delivery, accepted: Job['accepted']): Job {
    const { clock } = this.#transport.environment;
    const { envelope, endpoint } = accepted;
    const context = new RequestContext(clock, {
      requestId: envelope.requestId,
      deadline: envelope.timeoutMs === undefined ? Number.POSITIVE_INFINITY : clock.now() + envelope.timeoutMs,
      caller: delivery.userId,
      namespace: envelope.namespace,
      method: envelope.method,
      version: envelope.version,
      metadata: envelope.metadata,
    });
    const { beatMs } = envelope;
    const endBeats = beatMs === undefined || envelope.kind !== 'call' ? undefined : this.#beats.watch(delivery, context, beatMs);
    return { delivery, accepted, handler: endpoint.handlers[envelope.method] as AnyHandler, context, endBeats };
  }

  #admit(job: Job): void {
    const { envelope } = job.accepted;
    const { overloadLimit } = this.#options;
    // What nobody waits for is never refused: prefetch bounds it.
    if (this.#admission.admit(job, isAwaited(envelope.kind) ? overloadLimit : Number.POSITIVE_INFINITY)) return;
    const error = new Busy(`${this.#topic}: ${this.#admission.waiting} requests wait already`, { limit: overloadLimit });
    this.#counts.count('refused', envelope, error.code);
    this.#answers.refuse(job.delivery, error);
    job.endBeats?.();
    job.delivery.ack();
  }

  #refuse(delivery: Delivery, { error, envelope, poison }: Extract<Verdict, { verdict: 'refuse' }>): void {
    const topic = this.#topic;
    const { code, message } = error;
    this.#counts.count('refused', envelope, code);
    this.#transport.environment.log.warn(
      {
        topic,
        namespace: envelope?.namespace,
        method: envelope?.method,
        requestId: envelope?.requestId,
        caller: delivery.userId,
        code,
        reason: message,
      },
      'message refused',
    );
    this.#answers.refuse(delivery, error);
    if (!poison) return delivery.ack();
    this.#counts.count('dead_lettered', envelope, code);
    this.#transport.deadLetter(delivery, topic, `${code}: ${message}`);
  }
}

/** @throws TypeError when there is no endpoint, or they do not meet on one topic and exchange. */
function placeOf([first, ...others]: readonly Contract[]): Pick<Contract, 'topic' | 'exchange'> {
  if (first === undefined) throw new TypeError('serve: expected at least one endpoint');
  const { topic, exchange } = first;
  for (const other of others) {
    // Who may write to one exchange may not to another: a shared queue would mix their rights.
    if (other.topic !== topic || other.exchange !== exchange)
      throw new TypeError(
        `serve: expected endpoints of one topic and exchange, got ${topic} on ${exchange} and ${other.topic} on ${other.exchange}`,
      );
  }
  return { topic, exchange };
}
