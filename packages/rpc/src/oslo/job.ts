import { traceContextOf } from '../wire/metadata.ts';
import { RequestContext } from '../server/request-context.ts';
import { MOST_WAIT_MS } from '../options.ts';
import type { Delivery } from '../transport.ts';
import { whenConnected } from '../waiting.ts';
import type { OsloContext } from './dispatch.ts';
import { packReply, withinLimit, type OsloReply, type OsloRequest, type OsloReturn } from './envelope.ts';
import { packFailure } from './failure.ts';
import type { OsloTransport } from './transport.ts';

/** Python beats twice in the time that a caller allows (rpc/dispatcher.py, `_watchdog`). */
const BEATS = 2;
/** However eager the caller; milliseconds. */
const LEAST_BEAT_MS = 250;

class OsloRequestContext extends RequestContext implements OsloContext {
  readonly remote: Readonly<Record<string, unknown>>;

  constructor(
    clock: OsloTransport['environment']['clock'],
    given: ConstructorParameters<typeof RequestContext>[1],
    remote: OsloContext['remote'],
  ) {
    super(clock, given);
    this.remote = remote;
  }
}

/** One request in hand: its heartbeats, its answer, and the end of its message. */
export class OsloJob {
  readonly request: OsloRequest;
  readonly context: RequestContext & OsloContext;
  /** The broker gave it out before. */
  readonly redelivered: boolean;
  readonly #transport: OsloTransport;
  /** The same message, each time that it came. */
  readonly #deliveries: Delivery[];
  readonly #forget: () => void;
  #cancelBeat: (() => void) | undefined;
  #over = false;
  #acknowledged = false;

  /** @param forget called when the message may come again */
  constructor(transport: OsloTransport, delivery: Delivery, request: OsloRequest, forget: () => void) {
    const { clock } = transport.environment;
    this.#transport = transport;
    this.#deliveries = [delivery];
    this.#forget = forget;
    this.request = request;
    this.redelivered = delivery.redelivered;
    const { namespace, method, version, context: remote, answer, uniqueId } = request;
    const requestId = remote['request_id'];
    const patienceMs = Number(delivery.expiration ?? Number.NaN);
    const given = {
      requestId: typeof requestId === 'string' ? requestId : (answer?.msgId ?? uniqueId ?? ''),
      deadline: answer !== undefined && patienceMs >= 0 ? clock.now() + patienceMs : Number.POSITIVE_INFINITY,
      caller: delivery.userId,
      namespace,
      method,
      version,
      metadata: traceContextOf(remote),
    };
    this.context = new OsloRequestContext(clock, given, remote);
    if (answer?.monitorSeconds !== undefined)
      this.#beatEvery(Math.min(MOST_WAIT_MS, Math.max(LEAST_BEAT_MS, (answer.monitorSeconds * 1_000) / BEATS)));
  }

  /** Undefined when nobody waits for an answer. */
  get msgId(): string | undefined {
    return this.request.answer?.msgId;
  }

  /** The handler's outcome; the last thing that the caller gets. */
  answer(outcome: { readonly result: unknown; readonly failure: unknown }): void {
    if (this.#over) return;
    const { result, failure } = outcome;
    const { pythonClasses, limits } = this.#transport;
    const reply = (given: Pick<OsloReply, 'result' | 'failure'>) =>
      withinLimit(this.#pack({ ...given, ending: true }), limits.maxMessageBytes, 'the answer');
    let bytes: Buffer;
    try {
      bytes = reply({ result, failure: failure === null ? null : packFailure(failure, pythonClasses) });
    } catch (error) {
      bytes = this.#pack({ result: null, failure: packFailure(error, pythonClasses), ending: true });
    }
    this.#over = true;
    if (this.#send(bytes)) return;
    // The caller's queue outlives our connection: what was done is told with the next one, if that comes in time.
    whenConnected(this.#transport, Math.min(limits.callTimeoutMs, this.context.deadline - this.#transport.environment.clock.now()))
      .then(() => this.#send(bytes))
      .catch(() => false)
      .then((sent) => sent || this.#transport.environment.metrics.count('unroutable_replies', {}))
      .catch(() => undefined);
  }

  /** It came again while it is in hand: its former delivery may be lost, and this one keeps it for others until it is done. */
  join(delivery: Delivery): void {
    if (this.#acknowledged) delivery.ack();
    else this.#deliveries.push(delivery);
  }

  acknowledge(): void {
    this.#acknowledged = true;
    for (const delivery of this.#deliveries) delivery.ack();
  }

  end(): void {
    this.#over = true;
    this.#cancelBeat?.();
    this.context.end();
    this.acknowledge();
  }

  /** It was not done; another server, or this one later, gets it. */
  handBack(reason: Error): void {
    this.#over = true;
    this.#cancelBeat?.();
    this.context.abort(reason);
    this.#forget();
    for (const delivery of this.#deliveries) delivery.requeue();
  }

  #beatEvery(ms: number): void {
    this.#cancelBeat = this.#transport.environment.clock.after(ms, () => {
      if (this.#over || this.context.expired) return;
      this.#send(this.#pack({ result: null, failure: null, ending: false }));
      this.#beatEvery(ms);
    });
  }

  #pack(reply: Omit<OsloReply, 'msgId'>): Buffer {
    return packReply({ ...reply, msgId: this.msgId ?? '' }, this.#transport.uniqueId());
  }

  #send(body: Buffer): boolean {
    const { answer } = this.request;
    if (answer === undefined) return true;
    return this.#transport.send({ exchange: '', key: answer.queue, body, correlationId: answer.msgId, mandatory: true });
  }
}

/** The answer to a request that is wrong inside but says where its answer goes. */
export function refuseUnread(transport: OsloTransport, { msgId, queue }: OsloReturn, error: unknown): void {
  const body = packReply({ msgId, result: null, failure: packFailure(error, transport.pythonClasses), ending: true }, transport.uniqueId());
  transport.send({ exchange: '', key: queue, body, correlationId: msgId, mandatory: true });
}
