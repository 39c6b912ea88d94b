import { AnswerMemory, duplicateLimits } from './answer-memory.ts';
import { Answers } from './answers.ts';
import { Beats } from './beats.ts';
import { Calls } from '../client/calls.ts';
import type { Contract } from '../contract/contract.ts';
import { isOfOneServer, routesOf } from '../contract/delivery-choice.ts';
import { Deprecations } from './deprecations.ts';
import type { Endpoint } from './endpoint.ts';
import { Dispatch, type Verdict } from './dispatch.ts';
import { Busy, NotAuthorized, Unreachable, type MessageTooLarge } from '../errors.ts';
import { Execution, isRemembered } from './execution.ts';
import { Gauges } from '../telemetry/gauges.ts';
import { Intake, type Overload } from './intake.ts';
import type { AnyHandler, Job } from './job.ts';
import { isOrdered, type Lane } from '../contract/lane.ts';
import { RefusalLog } from './refusal-log.ts';
import { RequestContext } from './request-context.ts';
import { claim } from './served.ts';
import { ServerCounts } from './server-counts.ts';
import { serverLimits, type EveryServerLimit } from './server-limits.ts';
import type { ServeOptions, Server } from './server.ts';
import type { Address, Delivery, Listener, Transport } from '../transport.ts';
import { closedError } from '../waiting.ts';
import { checkServerName, checkSize, isAwaited } from '../wire/wire.ts';

type Refusal = Extract<Verdict, { verdict: 'refuse' }>;

/** Takes messages off the queues, judges them, and gives each its way: run, refused, dropped. */
export class RunningServer implements Server {
  readonly #transport: Transport;
  readonly #contracts: readonly Contract[];
  readonly #topic: string;
  readonly #exchange: string;
  readonly #options: ServeOptions & EveryServerLimit;
  readonly #dispatch: Dispatch;
  readonly #beats: Beats;
  readonly #answers: Answers;
  readonly #counts: ServerCounts;
  readonly #deprecations: Deprecations;
  readonly #refusals: RefusalLog;
  readonly #memory: AnswerMemory | undefined;
  readonly #intake: Intake;
  #listeners: { readonly lane: Lane | undefined; readonly listener: Listener }[] = [];
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
    this.#dispatch = new Dispatch(topic, endpoints, this.#options);
    this.#answers = new Answers(transport, options.duplicates !== undefined, options.stacks === true ? this.#options.stackLength : 0);
    this.#counts = new ServerCounts(transport.environment.metrics, topic, this.#contracts);
    const { clock, log } = transport.environment;
    this.#deprecations = new Deprecations(log, topic, this.#options.deprecationWarnings);
    this.#refusals = new RefusalLog(log, clock, this.#options.refusalLines);
    this.#memory = options.duplicates === undefined ? undefined : new AnswerMemory(clock, duplicateLimits(topic, options.duplicates));
    const parts = { answers: this.#answers, counts: this.#counts, memory: this.#memory, refusals: this.#refusals };
    const execution = new Execution(transport, parts, options, (job, ms) => this.#intake.rest(job, ms));
    this.#intake = new Intake(clock, this.#options, (job) => execution.run(job));
  }

  async start(): Promise<void> {
    if (this.#transport.closed.aborted) throw closedError(); // before what it served then is said to be served
    Calls.of(this.#transport); // credits of streams come by the reply queue
    const addresses = this.#addresses();
    this.#unclaim = claim(this.#transport, addresses);
    this.#endGauges = this.#gauges();
    try {
      const partitions = addresses.filter((address) => isOrdered(laneOf(address))).length;
      for (const address of addresses) {
        const lane = laneOf(address);
        const take = (delivery: Delivery) => this.#take(delivery, address, lane);
        this.#listeners.push({ lane, listener: await this.#transport.listen(address, this.#prefetch(lane, partitions), take) });
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
      gauges.add('handlers_running', labels, () => this.#intake.running),
      gauges.add('handlers_limit', labels, () => this.#options.concurrency + this.#options.control.concurrency),
      gauges.add('requests_waiting', labels, () => this.#intake.waiting),
      gauges.add('requests_waiting_limit', labels, () => this.#options.overloadLimit + this.#options.control.overloadLimit),
    ];
  }

  #addresses(): readonly Address[] {
    const { server, shared = !this.#transport.steward } = this.#options;
    const exchange = this.#exchange;
    const routes = routesOf(this.#contracts);
    const fanouts = this.#contracts.some(({ methods }) => Object.values(methods).some(({ kind }) => kind === 'fanout'));
    return [
      ...(shared ? routes.map((route) => ({ kind: 'topic' as const, exchange, ...route })) : []),
      ...(server === undefined
        ? []
        : routes.filter(isOfOneServer).map((route) => ({ kind: 'server' as const, exchange, server, ...route }))),
      ...(fanouts ? [{ kind: 'fanout' as const, exchange, topic: this.#topic }] : []),
    ];
  }

  /** The queues of ordered messages share one measure. */
  #prefetch(lane: Lane | undefined, partitions: number): number {
    const { prefetch, control } = this.#options;
    if (lane === 'control') return control.prefetch;
    return isOrdered(lane) ? Math.ceil(prefetch / partitions) : prefetch;
  }

  stop(): Promise<void> {
    return (this.#stopped ??= this.#stop());
  }

  async #stop(): Promise<void> {
    const { clock, log } = this.#transport.environment;
    const { graceMs } = this.#options;
    const ordered = this.#listeners.filter(({ lane }) => isOrdered(lane));
    // A queue that is read by one server at a time must not go to the next while its messages are worked on here.
    this.#intake.retire();
    const handOver = async () => {
      if (await this.#intake.orderedIdle(clock, graceMs)) await closeAll(ordered);
    };
    await Promise.all(this.#listeners.filter(({ lane }) => !isOrdered(lane)).map(({ listener }) => listener.pause()));
    await Promise.all([handOver(), this.#intake.drained(clock, graceMs)]);
    const left = this.#intake.giveUp();
    if (left.length > 0)
      log.warn({ topic: this.#topic, requests: left.length, graceMs }, 'stopped before all requests were done; handed back');
    for (const job of left) {
      job.context.abort(new Unreachable(`${this.#topic}: the server stops`));
      if (!isOrdered(job.lane)) job.delivery.requeue(); // these go back together, in their order, when the queue is closed
    }
    this.#beats.stop();
    for (const end of this.#endGauges) end();
    await closeAll(this.#listeners);
    this.#unclaim?.();
  }

  #take(delivery: Delivery, address: Address, lane: Lane | undefined): void {
    const { repliesTo } = this.#options;
    if (repliesTo !== undefined && delivery.replyTo !== undefined && delivery.replyTo !== repliesTo(delivery.userId))
      return this.#refuseReplyTo(delivery);
    const verdict = this.#tooLarge(delivery) ?? this.#dispatch.judge(delivery, address);
    if (verdict.verdict === 'run') {
      const job = this.#job(delivery, lane, verdict);
      if (verdict.method.deprecated !== undefined) {
        this.#counts.count('deprecated', verdict.envelope);
        this.#deprecations.note(job.context, verdict.method.deprecated);
      }
      if (this.#memory === undefined || !isRemembered(job) || !this.#again(job, this.#memory)) this.#admit(job);
    } else if (verdict.verdict === 'refuse') {
      this.#refuse(delivery, verdict);
    } else {
      const { topic, server, method } = verdict.envelope;
      this.#counts.count(verdict.verdict, verdict.envelope);
      if (verdict.verdict === 'misdirected')
        this.#refusals.warn({ topic, server, method, caller: delivery.userId }, 'message for another server dropped');
      delivery.ack();
    }
  }

  /** Nothing is said to a place that is not the sender's, and nothing kept of it. */
  #refuseReplyTo(delivery: Delivery): void {
    const { code, message } = new NotAuthorized('the answer was to go to another than the sender');
    this.#counts.count('refused', undefined, code);
    this.#refusals.warn({ topic: this.#topic, caller: delivery.userId, code, reason: message }, 'message refused');
    delivery.ack();
  }

  /** What is too large to be read is too large to be kept. */
  #tooLarge({ body }: Delivery): Refusal | undefined {
    try {
      checkSize(body.length, this.#transport.limits.maxMessageBytes, 'a request');
      return undefined;
    } catch (error) {
      return { verdict: 'refuse', error: error as MessageTooLarge, envelope: undefined, poison: false };
    }
  }

  /** True when it came before: it ends with the one in work, or is answered as before. */
  #again(job: Job, memory: AnswerMemory): boolean {
    const met = memory.meet(job.delivery);
    if (met === 'new') return false;
    this.#counts.count('duplicates', job.accepted.envelope);
    job.context.end();
    job.endBeats?.();
    if (met !== 'joined') {
      if (met.answer !== undefined) this.#answers.repeat(job.delivery, met.answer);
      job.delivery.ack();
    }
    return true;
  }

  #job(delivery: Delivery, lane: Lane | undefined, accepted: Job['accepted']): Job {
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
    const endBeats = beatMs === undefined || !isAwaited(envelope.kind) ? undefined : this.#beats.watch(delivery, context, beatMs);
    return {
      delivery,
      lane,
      accepted,
      handler: endpoint.handlers[envelope.method] as AnyHandler,
      context,
      endBeats,
      failed: 0,
      givenUp: false,
    };
  }

  #admit(job: Job): void {
    const overload = this.#intake.admit(job);
    if (overload !== undefined) this.#sendAway(job, overload);
  }

  #sendAway(job: Job, { waiting, limit }: Overload): void {
    const error = new Busy(`${this.#topic}: ${waiting} requests wait already`, { limit });
    this.#counts.count('refused', job.accepted.envelope, error.code);
    this.#answers.refuse(job.delivery, error);
    job.endBeats?.();
    for (const each of [job.delivery, ...(this.#memory?.forget(job.delivery) ?? [])]) each.ack();
  }

  #refuse(delivery: Delivery, { error, envelope, poison }: Refusal): void {
    const topic = this.#topic;
    const { code, message } = error;
    this.#counts.count('refused', envelope, code);
    this.#refusals.warn(
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

const laneOf = (address: Address): Lane | undefined => ('lane' in address ? address.lane : undefined);

const closeAll = (listeners: readonly { readonly listener: Listener }[]) => Promise.all(listeners.map(({ listener }) => listener.close()));
