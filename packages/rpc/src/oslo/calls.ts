// What awaits an answer from a service that speaks oslo.messaging. One table per transport; every entry has a deadline,
// and the table has a limit.
import { Busy, ConnectionLost, DeadlineExceeded, Unreachable, type RpcError } from '../errors.ts';
import type { Delivery } from '../transport.ts';
import { readReply, withinLimit, type OsloReply } from './envelope.ts';
import { readFailure } from './failure.ts';
import { Gauges } from '../telemetry/gauges.ts';
import type { OsloTransport } from './transport.ts';
import { closedError } from '../waiting.ts';

export interface OsloCall {
  readonly exchange: string;
  readonly key: string;
  /** For messages: `compute.get_host_uptime`. */
  readonly what: string;
  readonly timeoutMs: number;
  /** Longest silence of the server; undefined for servers that need not beat. */
  readonly monitorMs: number | undefined;
  /** Sent again after a reconnect. */
  readonly resend: boolean;
  readonly signal: AbortSignal | undefined;
  build(msgId: string, replyQueue: string): Buffer;
}

interface Entry {
  readonly id: string;
  readonly call: OsloCall;
  readonly endsAt: number;
  /** Its request was handed to a connection. */
  sent: boolean;
  /** It was before, to one that is lost. */
  lost: boolean;
  /** What it needs on the broker is being declared. */
  preparing: boolean;
  /** Came before the end, from servers older than 2016. */
  early: OsloReply | undefined;
  heard(): void;
  settle(outcome: { readonly result: unknown } | { readonly error: unknown }): void;
}

const tables = new WeakMap<OsloTransport, OsloCalls>();

export class OsloCalls {
  readonly #transport: OsloTransport;
  readonly #entries = new Map<string, Entry>();
  readonly #replyQueue: string;
  /** The reply queue is in place, or being put there. */
  #listening: Promise<unknown> | undefined;
  /** It is in place: what is sent before that is answered to nobody. */
  #ready = false;

  static of(transport: OsloTransport): OsloCalls {
    let table = tables.get(transport);
    if (table === undefined) tables.set(transport, (table = new OsloCalls(transport)));
    return table;
  }

  private constructor(transport: OsloTransport) {
    this.#transport = transport;
    this.#replyQueue = transport.topology.reply(transport.unique).name;
    Gauges.of(transport).add('calls_in_flight', {}, () => this.#entries.size);
    transport.watch({
      onReturned: (exchange, id) => {
        const entry = exchange === '' ? undefined : this.#entries.get(id);
        entry?.settle({ error: new Unreachable(`${entry.call.what}: no queue takes ${entry.call.key}`, { key: entry.call.key }) });
      },
      onBroken: (error) => this.#lose(error),
      onMended: () => this.#sendWaiting(),
      onChange: (connected, reason) => {
        if (connected) this.#sendWaiting();
        else this.#lose(new ConnectionLost(`the connection to the broker was lost${reason === undefined ? '' : `: ${reason}`}`));
      },
    });
    transport.closed.addEventListener('abort', () => this.#end(), { once: true });
  }

  /**
   * The result as the server gave it.
   *
   * @throws RpcError, or the signal's reason
   */
  run(call: OsloCall): Promise<unknown> {
    const { environment, limits } = this.#transport;
    const { clock } = environment;
    if (call.signal?.aborted === true) return Promise.reject(call.signal.reason);
    if (this.#transport.closed.aborted) return Promise.reject(closedError());
    if (this.#entries.size >= limits.maxCalls)
      return Promise.reject(
        new Busy(`${call.what}: ${limits.maxCalls} calls are in flight, the limit (maxCalls)`, { limit: limits.maxCalls }),
      );
    return new Promise((resolve, reject) => {
      const onAbort = () => entry.settle({ error: call.signal?.reason });
      call.signal?.addEventListener('abort', onAbort, { once: true }); // before there is a timer, for it may throw
      const late = (ms: number, what: string) => () =>
        entry.settle({ error: new DeadlineExceeded(`${call.what}: ${what} within ${Math.round(ms)} ms`, { timeoutMs: ms }) });
      const cancelDeadline = clock.after(call.timeoutMs, late(call.timeoutMs, 'no answer'));
      const watchOver = ({ monitorMs } = call) =>
        monitorMs === undefined ? () => undefined : clock.after(monitorMs, late(monitorMs, 'no sign of life'));
      let cancelMonitor = watchOver();
      const cancelWait = this.#transport.connected
        ? () => undefined
        : clock.after(limits.connectWaitMs, () => {
            if (!entry.sent)
              entry.settle({ error: new Unreachable(`${call.what}: no connection to the broker for ${limits.connectWaitMs} ms`) });
          });
      const entry: Entry = {
        id: this.#transport.uniqueId(),
        call,
        endsAt: clock.monotonic() + call.timeoutMs,
        sent: false,
        lost: false,
        preparing: false,
        early: undefined,
        heard: () => {
          cancelMonitor();
          cancelMonitor = watchOver();
        },
        settle: (outcome) => {
          if (!this.#entries.delete(entry.id)) return;
          for (const cancel of [cancelDeadline, cancelMonitor, cancelWait]) cancel();
          call.signal?.removeEventListener('abort', onAbort);
          if ('error' in outcome) reject(outcome.error);
          else resolve(outcome.result);
        },
      };
      this.#entries.set(entry.id, entry);
      void this.#send(entry);
    });
  }

  async #send(entry: Entry): Promise<void> {
    const { call } = entry;
    if (!this.#transport.connected || entry.sent || entry.preparing) return;
    try {
      if (!this.#ready || !this.#transport.hasExchange(call.exchange)) {
        entry.preparing = true;
        await this.#prepare(call.exchange).finally(() => {
          entry.preparing = false;
        });
        if (!this.#entries.has(entry.id)) return;
      }
      entry.sent = this.#transport.send({
        exchange: call.exchange,
        key: call.key,
        body: call.build(entry.id, this.#replyQueue),
        correlationId: entry.id,
        expirationMs: Math.max(1, Math.ceil(entry.endsAt - this.#transport.environment.clock.monotonic())),
        mandatory: true,
      });
    } catch (error) {
      // With the connection it needed; the call has not left, and the next connection takes it.
      if (this.#transport.alive) entry.settle({ error });
    }
  }

  /** The reply queue is declared with the first call: a process that only serves needs none. */
  async #prepare(exchange: string): Promise<void> {
    this.#listening ??= this.#transport
      .listen(this.#transport.topology.reply(this.#transport.unique), Number.POSITIVE_INFINITY, {
        take: (delivery) => this.#take(delivery),
        onBroken: (reason) => this.#lose(new ConnectionLost(`${this.#replyQueue}: ${reason}`)),
        onMended: () => this.#sendWaiting(),
      })
      .catch((error: unknown) => {
        this.#listening = undefined;
        throw error;
      });
    await this.#listening;
    this.#ready = true;
    await this.#transport.ensureExchange(exchange);
  }

  #sendWaiting(): void {
    for (const entry of [...this.#entries.values()]) void this.#send(entry);
  }

  #lose(error: RpcError): void {
    for (const entry of [...this.#entries.values()]) {
      if (!entry.sent) continue;
      entry.sent = false;
      entry.lost = true;
      if (entry.call.resend) this.#transport.environment.metrics.count('resent', {});
      else entry.settle({ error: new ConnectionLost(`${error.message}; the outcome is unknown`, undefined, { cause: error }) });
    }
  }

  /** No connection comes any more. */
  #end(): void {
    for (const entry of [...this.#entries.values()])
      entry.settle({
        error: entry.sent || entry.lost ? new ConnectionLost('this transport is closed; the outcome is unknown') : closedError(),
      });
  }

  #take({ body }: Pick<Delivery, 'body'>): void {
    const { environment, pythonClasses } = this.#transport;
    let reply: OsloReply;
    try {
      reply = readReply(withinLimit(body, this.#transport.limits.maxMessageBytes, 'the answer'));
    } catch (error) {
      environment.metrics.count('refused', { code: 'MalformedMessage' });
      environment.log.warn({ queue: this.#replyQueue, reason: String(error) }, 'an answer could not be read');
      return;
    }
    const entry = this.#entries.get(reply.msgId);
    if (entry === undefined) {
      if (reply.ending) environment.metrics.count('late_replies', {});
      return;
    }
    entry.heard();
    if (!reply.ending) {
      if (reply.result !== null || reply.failure !== null) entry.early = reply;
      return;
    }
    const { result, failure } = reply.result === null && reply.failure === null ? (entry.early ?? reply) : reply;
    if (failure !== null) entry.settle({ error: readFailure(failure, pythonClasses) });
    else entry.settle({ result });
  }
}
