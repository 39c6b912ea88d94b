import { decoderFor } from '../codec/codec.ts';
import type { RpcCounter } from '../environment.ts';
import { MalformedMessage, RpcError, Unreachable, UnsupportedVersion } from '../errors.ts';
import { Gauges } from '../telemetry/gauges.ts';
import { chain, type IncomingCall } from '../interceptors.ts';
import { sinceMinors, understands } from '../client/pin.ts';
import type { Delivery, Listener, Transport } from '../transport.ts';
import { within } from '../waiting.ts';
import type { ConsumeSettings, EventConsumer, EventContext, EventHandlers } from './consumer.ts';
import type { Events, EventTypes } from './definition.ts';
import { EVENTS, eventKeys, readEvent, type EventEnvelope } from './envelope.ts';
import { HandledEvent } from './event-context.ts';
import { loggedError } from '../telemetry/logged-error.ts';

interface Wanted {
  readonly envelope: EventEnvelope;
  readonly payload: object;
  readonly handle: (context: EventContext, payload: object) => void | Promise<void>;
}

/** Takes events of one group's queue, handles each until it is done or put aside, and acknowledges. */
export class RunningConsumer implements EventConsumer {
  readonly #transport: Transport;
  readonly #definition: Events;
  readonly #handlers: EventHandlers<EventTypes>;
  readonly #settings: ConsumeSettings;
  readonly #around: ReturnType<typeof chain<IncomingCall>>;
  readonly #since: ReadonlyMap<string, number>;
  readonly #running = new Set<Promise<void>>();
  /** Ends the waits between attempts. */
  readonly #pausing = new AbortController();
  /** Tells the handlers that are still running. */
  readonly #ending = new AbortController();
  #listener: Listener | undefined;
  #endGauge: (() => void) | undefined;
  #stopped: Promise<void> | undefined;

  constructor(transport: Transport, definition: Events, handlers: EventHandlers<EventTypes>, settings: ConsumeSettings) {
    this.#transport = transport;
    this.#definition = definition;
    this.#handlers = handlers;
    this.#settings = settings;
    this.#around = chain(transport.environment.interceptors.server, settings.interceptors);
    const { topic, version, events } = definition;
    this.#since = sinceMinors({ topic, namespace: undefined, version, methods: events });
  }

  async start(): Promise<void> {
    const { topic } = this.#definition;
    const { group, priorities, maxLength, overflow, unusedMs, concurrency } = this.#settings;
    const keys = priorities.map((priority) => eventKeys.published(topic, priority));
    this.#endGauge = Gauges.of(this.#transport).add('handlers_running', { topic }, () => this.#running.size);
    this.#listener = await this.#transport
      .listen({ kind: 'group', topic, group, keys, maxLength, overflow, unusedMs }, concurrency, (delivery) => {
        const work: Promise<void> = this.#take(delivery).finally(() => this.#running.delete(work));
        this.#running.add(work);
      })
      .catch((error: unknown) => {
        this.#endGauge?.();
        throw error;
      });
  }

  stop(): Promise<void> {
    return (this.#stopped ??= this.#stop());
  }

  async #stop(): Promise<void> {
    const { clock, log } = this.#transport.environment;
    const { group, graceMs } = this.#settings;
    await this.#listener?.pause();
    this.#pausing.abort();
    const done = Promise.all(this.#running);
    await within(clock, graceMs, done, () => new Unreachable('late')).catch(() => {
      log.warn({ topic: this.#definition.topic, group, events: this.#running.size, graceMs }, 'stopped before all events were handled');
      this.#ending.abort(new Unreachable(`${this.#definition.topic}: the consumer stops`));
    });
    this.#endGauge?.();
    await this.#listener?.close(); // what was not acknowledged goes to other members
  }

  /** Never rejects: whatever happens ends as an acknowledgement, a dead letter or a requeue. */
  async #take(delivery: Delivery): Promise<void> {
    let envelope: EventEnvelope | undefined;
    let wanted: Wanted | undefined;
    try {
      envelope = readEvent(delivery.body);
      wanted = this.#judge(envelope);
    } catch (error) {
      const refusal = error instanceof RpcError ? error : new MalformedMessage(String(error));
      this.#count('refused', envelope?.method, refusal.code);
      const { code, message } = refusal;
      const { group } = this.#settings;
      const fields = { topic: this.#definition.topic, group, event: envelope?.method, id: envelope?.id, caller: delivery.userId };
      this.#transport.environment.log.warn({ ...fields, code, reason: message }, 'event refused');
      return this.#putAside(delivery, envelope, `${code}: ${message}`, code);
    }
    if (wanted === undefined) return delivery.ack();
    await this.#handle(delivery, wanted);
  }

  /** Undefined for what the group does not want. @throws MalformedMessage, UnsupportedVersion */
  #judge(envelope: EventEnvelope): Wanted | undefined {
    const { topic, version, events } = this.#definition;
    if (envelope.topic !== topic) return undefined;
    const handle = Object.hasOwn(this.#handlers, envelope.method) ? this.#handlers[envelope.method] : undefined;
    const type = events[envelope.method];
    if (handle === undefined || type === undefined) return undefined;
    const minor = minorOf(version, envelope.version);
    if (minor === undefined || minor < (this.#since.get(envelope.method) ?? 0))
      throw new UnsupportedVersion(`${topic}: the event is version ${envelope.version}, this consumer supports ${version}`, {
        asked: envelope.version,
        supported: version,
      });
    return { envelope, handle, payload: decoderFor<object>(type.payload, minor)(envelope.body) };
  }

  async #handle(delivery: Delivery, wanted: Wanted): Promise<void> {
    const { clock, random, log, metrics } = this.#transport.environment;
    const { attempts, retryBaseMs, retryCapMs, group } = this.#settings;
    const { envelope } = wanted;
    const labels = { topic: this.#definition.topic, method: envelope.method };
    for (let attempt = 1; ; attempt++) {
      const start = clock.monotonic();
      try {
        this.#count('handled', envelope.method);
        await this.#attempt(delivery, wanted, attempt);
        return delivery.ack();
      } catch (error) {
        const code = error instanceof RpcError ? error.code : 'unknown';
        const last = attempt >= attempts;
        this.#count('handler_errors', envelope.method, code);
        const fields = { ...labels, group, id: envelope.id, requestId: envelope.requestId, attempt, last };
        log.error({ ...fields, err: loggedError(error) }, last ? 'event put aside' : 'event handler failed');
        if (isLost(delivery)) return;
        if (last) {
          const what = error instanceof Error ? `${code === 'unknown' ? error.name : code}: ${error.message}` : 'unknown';
          return this.#putAside(delivery, envelope, `${attempt} attempts failed, the last with ${what}`, code);
        }
      } finally {
        metrics.duration('handle', clock.monotonic() - start, labels);
      }
      const most = Math.min(retryCapMs, retryBaseMs * 2 ** Math.min(attempt - 1, 30));
      await clock.sleep(most * (0.5 + random.next() / 2), this.#pausing.signal).catch(() => undefined);
      if (this.#pausing.signal.aborted) return delivery.requeue();
      if (isLost(delivery)) return;
    }
  }

  async #attempt(delivery: Delivery, { envelope, payload, handle }: Wanted, attempt: number): Promise<void> {
    const context = new HandledEvent(envelope, delivery, attempt, this.#ending.signal);
    if (this.#around === undefined) return handle(context, payload);
    const { topic, method } = envelope;
    const call: IncomingCall = {
      kind: 'event',
      topic,
      method,
      server: undefined,
      request: payload,
      context,
      redelivered: delivery.redelivered,
    };
    await this.#around(call, async () => handle(context, payload));
  }

  /** Sent again, it goes to this group alone. */
  #putAside(delivery: Delivery, envelope: EventEnvelope | undefined, reason: string, code: string): void {
    const { topic } = this.#definition;
    this.#count('dead_lettered', envelope?.method, code);
    const exchange = delivery.origin?.exchange ?? EVENTS;
    const { body, correlationId, replyTo, userId, redelivered } = delivery;
    const origin = { exchange, key: eventKeys.group(topic, this.#settings.group) };
    const ends = { ack: () => delivery.ack(), requeue: () => delivery.requeue() };
    this.#transport.deadLetter({ body, correlationId, replyTo, userId, redelivered, origin, ...ends }, topic, reason);
  }

  /** A name that is not ours is not a label: publishers could make any number of them. */
  #count(counter: RpcCounter, event: string | undefined, code?: string): void {
    const { topic, events } = this.#definition;
    const method = event !== undefined && Object.hasOwn(events, event) ? event : 'unknown';
    this.#transport.environment.metrics.count(counter, { topic, method, ...(code === undefined ? {} : { code }) });
  }
}

/** The broker gives it out again. */
const isLost = ({ lost }: Delivery) => lost?.aborted === true;

function minorOf(own: string, asked: string): number | undefined {
  try {
    return understands(own, asked) ? Number(asked.split('.')[1]) : undefined;
  } catch {
    return undefined; // no version at all
  }
}
