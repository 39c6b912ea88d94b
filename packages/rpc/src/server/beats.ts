// Signs of life of long calls and streams. A caller that asked for them learns who works on its call, can tell that one to stop, and
// knows when it died. Callers that did not ask (older ones) are sent none, so nothing changes for them.
import { Calls } from '../client/calls.ts';
import { Cancelled } from '../errors.ts';
import type { RequestContext } from './request-context.ts';
import type { Delivery, Transport } from '../transport.ts';
import { beatText } from '../wire/wire.ts';

interface Watched {
  readonly replyTo: string;
  readonly correlationId: string;
  readonly caller: string;
  readonly context: RequestContext;
  readonly beatMs: number;
  dueAt: number;
  forget: (() => void) | undefined;
}

export class Beats {
  readonly #transport: Transport;
  readonly #watched = new Set<Watched>();
  readonly #beat: Buffer;
  /** How often the calls in hand are looked at. */
  readonly #lookMs: number;
  #cancelLook: (() => void) | undefined;

  constructor(transport: Transport) {
    this.#transport = transport;
    this.#beat = Buffer.from(beatText(transport.replyKey));
    this.#lookMs = transport.limits.firstBeatMs;
  }

  /** Beats for a call or stream until the returned function is called. */
  watch({ replyTo = '', correlationId = '', userId }: Delivery, context: RequestContext, beatMs: number): () => void {
    const { clock } = this.#transport.environment;
    const dueAt = clock.monotonic() + this.#lookMs / 2;
    const watched: Watched = {
      replyTo,
      correlationId,
      caller: userId,
      context,
      beatMs: Math.max(beatMs, this.#lookMs),
      dueAt,
      forget: undefined,
    };
    this.#watched.add(watched);
    this.#cancelLook ??= clock.after(this.#lookMs, () => this.#look());
    return () => {
      this.#watched.delete(watched);
      watched.forget?.();
    };
  }

  stop(): void {
    this.#cancelLook?.();
    this.#cancelLook = undefined;
    for (const { forget } of this.#watched) forget?.();
    this.#watched.clear();
  }

  /** One timer for all: most calls are over before it fires. */
  #look(): void {
    const { clock } = this.#transport.environment;
    const calls = Calls.of(this.#transport);
    const now = clock.monotonic();
    for (const watched of this.#watched) {
      if (now < watched.dueAt) continue;
      watched.dueAt = now + watched.beatMs;
      watched.forget ??= calls.onCancel(watched.correlationId, (account) => {
        // The id cannot be guessed; the account is checked all the same.
        if (account === watched.caller) watched.context.cancel(new Cancelled('the caller no longer waits'));
      });
      calls.reply(watched.replyTo, watched.correlationId, this.#beat);
    }
    this.#cancelLook = this.#watched.size === 0 ? undefined : clock.after(this.#lookMs, () => this.#look());
  }
}
