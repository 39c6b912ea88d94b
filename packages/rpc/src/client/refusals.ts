// Casts that came back. Nobody waits for a cast, so its sender names a listener if it wants to hear that a server refused
// it. What was cast is remembered here and not told by the server: so a server can only speak of what it was sent.
import { methodLabel } from '../contract/contract.ts';
import type { RpcError } from '../errors.ts';
import type { Transport } from '../transport.ts';
import { loggedError } from '../telemetry/logged-error.ts';

/** A cast that a server refused before any effect; the server has put it aside as a dead letter, but for NotAuthorized. */
export interface Refusal {
  /** UnsupportedVersion, NoSuchMethod, MalformedMessage or NotAuthorized, or what else the server's `authorize` threw. */
  readonly error: RpcError;
  readonly topic: string;
  readonly namespace: string | undefined;
  readonly method: string;
  /** The server it was sent to by name; undefined: any of the topic. */
  readonly server: string | undefined;
  /** MAJOR.MINOR of the form it was sent in. */
  readonly version: string;
  readonly requestId: string;
}

/** Told of each cast that a server refused. */
export type RefusalListener = (refusal: Refusal) => void;

interface Remembered {
  readonly cast: Omit<Refusal, 'error'>;
  readonly listener: RefusalListener | undefined;
  readonly first: (error: RpcError) => void;
}

const tables = new WeakMap<Transport, Refusals>();

export class Refusals {
  readonly #transport: Transport;
  readonly #listeners = new Set<RefusalListener>();
  /** In the order they left. */
  readonly #casts = new Map<string, Remembered>();

  static of(transport: Transport): Refusals {
    let table = tables.get(transport);
    if (table === undefined) tables.set(transport, (table = new Refusals(transport)));
    return table;
  }

  private constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** Whether anybody hears of casts that have no listener of their own. */
  get heard(): boolean {
    return this.#listeners.size > 0;
  }

  /** The returned function ends it. */
  listen(listener: RefusalListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Before the cast leaves. `listener` is the client's own, asked instead of those of the transport; `first` is told before either. */
  remember(id: string, cast: Omit<Refusal, 'error'>, listener: RefusalListener | undefined, first: (error: RpcError) => void): void {
    if (this.#casts.size >= this.#transport.limits.rememberedCasts) {
      for (const [oldest] of this.#casts) {
        this.#casts.delete(oldest);
        break;
      }
    }
    this.#casts.set(id, { cast, listener, first });
  }

  /** It never left. */
  forget(id: string): void {
    this.#casts.delete(id);
  }

  /** False when no such cast is remembered. */
  take(id: string, error: RpcError): boolean {
    const remembered = this.#casts.get(id);
    if (remembered === undefined) return false;
    this.#casts.delete(id);
    const { log, metrics } = this.#transport.environment;
    const { cast, listener, first } = remembered;
    metrics.count('refusals', { topic: cast.topic, method: methodLabel(cast.namespace, cast.method), code: error.code });
    for (const tell of [() => first(error), ...(listener === undefined ? this.#listeners : [listener])]) {
      try {
        tell({ ...cast, error });
      } catch (thrown) {
        log.error(
          { topic: cast.topic, method: cast.method, requestId: cast.requestId, err: loggedError(thrown) },
          'a listener to refusals failed',
        );
      }
    }
    return true;
  }
}

/**
 * Hears of all casts of this process that servers refuse, but for those of clients with an `onRefused` of their own. The
 * returned function ends it. A refusal is a message like others: it may get lost, and it is told as long as its cast is
 * among the last `rememberedCasts` (a limit of the transport). Without any listener casts leave no trace here, and
 * refusals are counted and logged at the server alone.
 */
export const onRefused = (transport: Transport, listener: RefusalListener): (() => void) => Refusals.of(transport).listen(listener);
