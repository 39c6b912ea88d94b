// What awaits an answer. One table per transport; every entry has a deadline, and the table has a limit.
import { Busy, ConnectionLost, DeadlineExceeded, Unreachable, UnsupportedVersion, type RpcError } from '../errors.ts';
import { Held } from './held.ts';
import type { RequestForm } from './request-form.ts';
import { Refusals } from './refusals.ts';
import { Gauges } from '../telemetry/gauges.ts';
import type { Transport } from '../transport.ts';
import { afterHearing, blockedError, closedError } from '../waiting.ts';
import { cancelText, checkSize, readReply, REPLIES, type ReplyEnvelope } from '../wire/wire.ts';

export interface CallRequest {
  readonly exchange: string;
  readonly key: string;
  /** For messages: `scheduler.selectDestinations`. */
  readonly what: string;
  readonly timeoutMs: number;
  /** Sent again after a reconnect, under the same id. */
  readonly resend: boolean;
  /** The broker says whether it has it, and so it fails at once when it has not. */
  readonly confirm: boolean;
  readonly signal: AbortSignal | undefined;
  /** Of an earlier attempt that has ended; undefined: a new one. */
  readonly id: string | undefined;
  readonly form: RequestForm;
  /** Called for each message that comes back; after an error nothing more is called. */
  onReply(reply: ReplyEnvelope): void;
  /** An RpcError, or the signal's reason. */
  onFailure(error: unknown): void;
}

/** A stream that is sent from here. */
export interface StreamWatch {
  readonly run: string;
  /** Of the call that it answers. */
  readonly correlationId: string;
  /** Pieces consumed; -1: the reader left. */
  onCredit(consumed: number): void;
  /** The reader's queue is gone. */
  onGone(): void;
}

interface Entry {
  readonly id: string;
  readonly request: CallRequest;
  readonly endsAt: number;
  sent: boolean;
  /** The reply key of the process that works on it, once it has said so. */
  from: string | undefined;
  /** Ends the wait for its next sign of life. */
  cancelSilence: (() => void) | undefined;
  /** It was sent on a connection that is gone. */
  lost: boolean;
  stop(): void;
}

const tables = new WeakMap<Transport, Calls>();

export class Calls {
  readonly #transport: Transport;
  readonly #held: Held;
  readonly #entries = new Map<string, Entry>();
  readonly #outgoing = new Map<string, StreamWatch>();
  /** Long calls that are worked on here. */
  readonly #cancellable = new Map<string, (account: string) => void>();

  static of(transport: Transport): Calls {
    let table = tables.get(transport);
    if (table === undefined) tables.set(transport, (table = new Calls(transport)));
    return table;
  }

  private constructor(transport: Transport) {
    this.#transport = transport;
    this.#held = Held.of(transport);
    const gauges = Gauges.of(transport);
    gauges.add('calls_in_flight', {}, () => this.#entries.size);
    gauges.add('calls_waiting', {}, () => [...this.#entries.values()].filter(({ sent }) => !sent).length);
    transport.attach({
      onReply: ({ body, correlationId, userId }) => this.#take(body, correlationId, userId),
      onReturned: (exchange, correlationId) => this.#returned(exchange, correlationId ?? ''),
      onBroken: (error) => this.#broken(error),
      onMended: () => this.#sendWaiting(),
    });
    transport.onUnblocked(() => this.#sendWaiting());
    transport.onChange((connected, reason) => (connected ? this.#sendWaiting() : this.#lose(reason)));
    transport.closed.addEventListener('abort', () => this.#failAll(), { once: true });
  }

  /** Sends the request now, or when there is a connection. The returned function ends it without a word. */
  start(request: CallRequest): () => void {
    const { clock } = this.#transport.environment;
    const { limits } = this.#transport;
    if (request.signal?.aborted === true) {
      request.onFailure(request.signal.reason);
      return () => undefined;
    }
    if (this.#transport.closed.aborted) {
      request.onFailure(closedError());
      return () => undefined;
    }
    if (this.#entries.size >= limits.maxCalls) {
      request.onFailure(
        new Busy(`${request.what}: ${limits.maxCalls} calls are in flight, the limit (maxCalls)`, { limit: limits.maxCalls }),
      );
      return () => undefined;
    }
    const id = request.id ?? this.nextId();
    let cancelWait: (() => void) | undefined;
    const onAbort = () => {
      if (entry.from !== undefined) this.reply(entry.from, entry.id, CANCEL);
      this.#fail(entry, request.signal?.reason);
    };
    const entry: Entry = {
      id,
      request,
      endsAt: clock.monotonic() + request.timeoutMs,
      sent: false,
      from: undefined,
      cancelSilence: undefined,
      lost: false,
      stop() {
        cancelDeadline();
        cancelWait?.();
        entry.cancelSilence?.();
        request.signal?.removeEventListener('abort', onAbort);
      },
    };
    // First, for it is the caller's own and may throw: then nothing else is there yet.
    request.signal?.addEventListener('abort', onAbort, { once: true });
    try {
      this.#held.take(request.form.bytes, request.what);
    } catch (error) {
      request.signal?.removeEventListener('abort', onAbort);
      request.onFailure(error);
      return () => undefined;
    }
    const cancelDeadline = afterHearing(clock, request.timeoutMs, () =>
      this.#fail(
        entry,
        new DeadlineExceeded(`${request.what}: no answer within ${Math.round(request.timeoutMs)} ms`, { timeoutMs: request.timeoutMs }),
      ),
    );
    this.#entries.set(id, entry);
    if (this.#writable) {
      this.#send(entry, false);
    } else {
      cancelWait = clock.after(limits.connectWaitMs, () => {
        if (entry.sent) return;
        if (this.#transport.blocked !== undefined) this.#fail(entry, blockedError(this.#transport, limits.connectWaitMs));
        else this.#fail(entry, new Unreachable(`${request.what}: no connection to the broker for ${limits.connectWaitMs} ms`));
      });
    }
    return () => this.#end(entry);
  }

  /** The id of a message. Not even who was sent the one before can guess it, and so answer in another's place. */
  nextId(): string {
    return this.#transport.environment.random.uuid();
  }

  /** For a stream sent from here. The returned function ends it. */
  watch(watch: StreamWatch): () => void {
    this.#outgoing.set(watch.run, watch);
    return () => this.#outgoing.delete(watch.run);
  }

  /** `act` is told, with the sender's account, when the caller gives up. The returned function ends that. */
  onCancel(correlationId: string, act: (account: string) => void): () => void {
    this.#cancellable.set(correlationId, act);
    return () => {
      if (this.#cancellable.get(correlationId) === act) this.#cancellable.delete(correlationId);
    };
  }

  /** A message to another process's reply queue. `spent`: its body is read no more. */
  reply(key: string, correlationId: string, body: Buffer, spent = false): void {
    const sent = this.#transport.send({ exchange: REPLIES, key, correlationId, body, mandatory: true, spent });
    if (!sent) this.#transport.environment.metrics.count('unroutable_replies', {});
  }

  get #writable(): boolean {
    return this.#transport.connected && this.#transport.blocked === undefined;
  }

  /** `late`: not in the turn of the call, so that its form may have to be another by now. */
  #send(entry: Entry, late: boolean): void {
    const { clock } = this.#transport.environment;
    const remainingMs = Math.max(1, Math.ceil(entry.endsAt - clock.monotonic()));
    let body: Buffer;
    try {
      body = entry.request.form.build(remainingMs, late);
    } catch (error) {
      return this.#fail(entry, error);
    }
    const message = {
      exchange: entry.request.exchange,
      key: entry.request.key,
      body,
      correlationId: entry.id,
      replyTo: this.#transport.replyKey,
      expirationMs: remainingMs,
      mandatory: true,
      spent: !entry.request.resend, // else it may leave again
    };
    if (entry.request.confirm) {
      entry.sent = true;
      this.#transport.sendConfirmed(message).catch((error: unknown) => this.#unplaced(entry, error));
    } else {
      entry.sent = this.#transport.send(message);
    }
  }

  /** The broker does not have it, or did not say. */
  #unplaced(entry: Entry, error: unknown): void {
    if (this.#entries.get(entry.id) !== entry || !entry.sent) return; // settled, or to be sent again already
    if (error instanceof Unreachable) this.#returned(entry.request.exchange, entry.id);
    else if (error instanceof ConnectionLost && entry.request.resend) this.#resendSoon(entry);
    else this.#fail(entry, error);
  }

  #returned(exchange: string, correlationId: string): void {
    if (exchange === REPLIES) {
      this.#transport.environment.metrics.count('unroutable_replies', {});
      for (const watch of [...this.#outgoing.values()]) {
        if (watch.correlationId === correlationId) watch.onGone();
      }
      return;
    }
    const entry = this.#entries.get(correlationId);
    if (entry === undefined) return;
    // After a broken connection its servers may need a moment more to be back than we did.
    if (entry.lost) return this.#resendSoon(entry);
    this.#fail(entry, new Unreachable(`${entry.request.what}: nobody listens to ${entry.request.key}`, { key: entry.request.key }));
  }

  #resendSoon(entry: Entry): void {
    const { clock, random } = this.#transport.environment;
    park(entry);
    clock.after(this.#transport.limits.resendMs * (0.5 + random.next()), () => {
      if (this.#entries.has(entry.id) && !entry.sent && this.#writable) this.#send(entry, true);
    });
  }

  /** The broker says why it gave up a channel, not which message was to blame: only a single one can take its word. */
  #broken(error: RpcError): void {
    const sent = [...this.#entries.values()].filter((entry) => entry.sent);
    const unknown = new ConnectionLost(`${error.message}; the outcome is unknown`, error.details, { cause: error });
    for (const entry of sent) {
      // Nothing was refused, it was lost: what may be sent again is.
      if (entry.request.resend && (sent.length > 1 || error instanceof ConnectionLost)) park(entry);
      else if (sent.length === 1) this.#fail(entry, error);
      else this.#fail(entry, unknown);
    }
  }

  #sendWaiting(): void {
    for (const entry of [...this.#entries.values()]) {
      if (!this.#writable) return; // the socket has had enough of them
      if (entry.sent) continue;
      if (entry.lost) this.#transport.environment.metrics.count('resent', {});
      this.#send(entry, true);
    }
  }

  #lose(reason: string | undefined): void {
    const error = new ConnectionLost(
      `the connection to the broker was lost${reason === undefined ? '' : `: ${reason}`}; the outcome is unknown`,
    );
    for (const entry of [...this.#entries.values()]) {
      if (!entry.sent) continue;
      if (entry.request.resend) park(entry);
      else this.#fail(entry, error);
    }
  }

  /** No connection comes any more. */
  #failAll(): void {
    for (const entry of [...this.#entries.values()])
      this.#fail(entry, entry.sent || entry.lost ? new ConnectionLost('this transport is closed; the outcome is unknown') : closedError());
  }

  #beat(entry: Entry, from: string): void {
    const { clock, metrics } = this.#transport.environment;
    const { beatMs } = this.#transport.limits;
    entry.from = from;
    entry.cancelSilence?.();
    entry.cancelSilence = afterHearing(clock, 2 * beatMs, () => {
      metrics.count('silent_servers', {});
      if (entry.request.resend) {
        park(entry);
        this.#sendWaiting();
      } else {
        this.#fail(
          entry,
          new ConnectionLost(`${entry.request.what}: its server has given no sign of life for ${2 * beatMs} ms; the outcome is unknown`),
        );
      }
    });
  }

  #refused(entry: Entry, error: RpcError): void {
    const next = error instanceof UnsupportedVersion ? entry.request.form.afterRefusal(error) : 'fail';
    if (next === 'fail') return this.#fail(entry, error);
    if (next === 'stale') return;
    entry.cancelSilence?.();
    Object.assign(entry, { sent: false, from: undefined, cancelSilence: undefined });
    this.#sendWaiting();
  }

  #fail(entry: Entry, error: unknown): void {
    if (this.#end(entry)) entry.request.onFailure(error);
  }

  #end(entry: Entry): boolean {
    if (!this.#entries.delete(entry.id)) return false;
    this.#held.give(entry.request.form.bytes);
    entry.stop();
    return true;
  }

  #take(body: Buffer, correlationId: string | undefined, account: string): void {
    const { log, metrics } = this.#transport.environment;
    const entry = correlationId === undefined ? undefined : this.#entries.get(correlationId);
    let reply: ReplyEnvelope;
    try {
      checkSize(body.length, this.#transport.limits.maxMessageBytes, 'an answer');
      reply = readReply(body);
    } catch (error) {
      log.warn({ correlationId, error: String(error) }, 'an answer could not be read');
      if (entry !== undefined) this.#fail(entry, error);
      return;
    }
    if (reply.kind === 'credit') {
      this.#outgoing.get(correlationId ?? '')?.onCredit(reply.consumed);
    } else if (reply.kind === 'cancel') {
      this.#cancellable.get(correlationId ?? '')?.(account);
    } else if (entry === undefined) {
      // Whoever still works for a caller that left is told so.
      if (reply.kind === 'beat') return this.reply(reply.from, correlationId ?? '', CANCEL);
      if (reply.kind === 'piece' && !reply.piece.end) this.reply(reply.piece.from, reply.piece.run, STOP);
      if (reply.kind === 'error' && Refusals.of(this.#transport).take(correlationId ?? '', reply.error)) return;
      metrics.count('late_replies', {});
    } else if (reply.kind === 'beat') {
      this.#beat(entry, reply.from);
    } else if (reply.kind === 'error') {
      this.#refused(entry, reply.error);
    } else {
      entry.request.onReply(reply);
    }
  }
}

/** It is to be sent again, to whoever takes it. */
function park(entry: Entry): void {
  entry.cancelSilence?.();
  Object.assign(entry, { sent: false, lost: true, from: undefined, cancelSilence: undefined });
}

const CANCEL = Buffer.from(cancelText());
const STOP = Buffer.from(JSON.stringify({ credit: -1 }));
