// Events that are published if, and only if, a transaction of the user's database commits. They are rows until the broker
// has confirmed them. Whoever dies between the confirmation and the mark has its events published again, under the same
// ids: a duplicate is the price of never losing one.
import { RpcError } from '../errors.ts';
import { checkPositive, withDefaults } from '../options.ts';
import type { Transport } from '../transport.ts';
import { whenWritable } from '../waiting.ts';
import { sendEntry } from './publisher.ts';
import { loggedError } from '../telemetry/logged-error.ts';

/** A row of an outbox, as it was staged. */
export interface OutboxEntry {
  /** The event's id; unique. */
  readonly id: string;
  readonly topic: string;
  /** Its routing key. */
  readonly key: string;
  /** JSON text, at most the `maxMessageBytes` of the transport that staged it. */
  readonly body: string;
}

/** Where events are staged. */
export interface OutboxSink<Transaction> {
  /** Inserts the entry within the transaction. */
  append(transaction: Transaction, entry: OutboxEntry): Promise<void>;
}

/** Where staged events are taken from. */
export interface OutboxSource {
  /**
   * The oldest entries that are neither done nor claimed, at most `limit`, claimed for `forMs` milliseconds: until then
   * no other claim gives them out. In PostgreSQL: an UPDATE of what a SELECT … FOR UPDATE SKIP LOCKED finds, committed.
   */
  claim(limit: number, forMs: number): Promise<readonly OutboxEntry[]>;
  /** Marks or deletes the entries: the broker has them. */
  done(ids: readonly string[]): Promise<void>;
}

/** What the user's database does for an outbox. */
export interface OutboxStore<Transaction> extends OutboxSink<Transaction>, OutboxSource {}

/** How an outbox is drained. */
export interface DrainOptions {
  /** Events published at the same time. Default 100. */
  readonly batch?: number;
  /** How often an empty outbox is looked at, unless woken; milliseconds. Default 1 000. */
  readonly pollMs?: number;
  /** For how long a claimed entry is ours: longer than publishing a batch takes, and how long the events of a dead process wait for another; milliseconds. Default 10 000. */
  readonly claimMs?: number;
  /** The first wait after a failure of the store or the broker, doubled each time, with full jitter; milliseconds. Default 100. */
  readonly retryBaseMs?: number;
  /** The longest wait after a failure; milliseconds. Default 10 000. */
  readonly retryCapMs?: number;
}

/** An outbox that is being drained. */
export interface Drain {
  /** Looks now: something was committed. Without it an event waits for the next look. */
  wake(): void;
  /** Settles when what was claimed is published and marked. */
  stop(): Promise<void>;
}

const DEFAULTS = { batch: 100, pollMs: 1_000, claimMs: 10_000, retryBaseMs: 100, retryCapMs: 10_000 };

/**
 * Publishes what was staged, in the order of the claims, until stopped or the transport is closed. Several processes may
 * drain one outbox; order is then kept within each claim only, and after a failure not at all.
 *
 * @throws TypeError when an option cannot work
 */
export function drainOutbox(transport: Transport, store: OutboxSource, options: DrainOptions = {}): Drain {
  const settings = withDefaults(DEFAULTS, options);
  checkPositive('drainOutbox', settings);
  const drain = new OutboxDrain(transport, store, settings);
  const running = drain.run();
  return {
    wake: () => drain.wake(),
    async stop() {
      drain.end();
      await running;
    },
  };
}

class OutboxDrain {
  readonly #transport: Transport;
  readonly #store: OutboxSource;
  readonly #settings: typeof DEFAULTS;
  readonly #end = new AbortController();
  #woken = false;
  #wake = new AbortController();

  constructor(transport: Transport, store: OutboxSource, settings: typeof DEFAULTS) {
    this.#transport = transport;
    this.#store = store;
    this.#settings = settings;
    if (transport.closed.aborted) this.end();
    transport.closed.addEventListener('abort', () => this.end(), { once: true, signal: this.#end.signal });
  }

  wake(): void {
    this.#woken = true;
    this.#wake.abort();
  }

  end(): void {
    this.#end.abort(new Error('the drain was stopped'));
    this.#wake.abort();
  }

  async run(): Promise<void> {
    const { random } = this.#transport.environment;
    const { batch, pollMs, retryBaseMs, retryCapMs } = this.#settings;
    let failures = 0;
    while (!this.#end.signal.aborted) {
      const { claimed, failed } = await this.#pass();
      failures = failed ? failures + 1 : 0;
      if (failed) await this.#sleep(random.next() * Math.min(retryCapMs, retryBaseMs * 2 ** Math.min(failures - 1, 30)), this.#end.signal);
      else if (claimed < batch) await this.#rest(pollMs);
    }
  }

  /** Nothing is claimed that could not leave: it would wait for its claim to end. */
  async #pass(): Promise<{ readonly claimed: number; readonly failed: boolean }> {
    const { batch, claimMs } = this.#settings;
    const { log, metrics } = this.#transport.environment;
    let claimed = 0;
    try {
      await whenWritable(this.#transport, this.#transport.limits.connectWaitMs, this.#end.signal);
      const entries = await this.#store.claim(batch, claimMs);
      claimed = entries.length;
      const outcomes = await Promise.allSettled(entries.map((entry) => sendEntry(this.#transport, entry)));
      const sent = entries.filter((_, index) => outcomes[index]?.status === 'fulfilled');
      for (const { topic } of sent) metrics.count('notifications', { topic });
      if (sent.length > 0) await this.#store.done(sent.map(({ id }) => id));
      const [first] = outcomes.filter((outcome) => outcome.status === 'rejected');
      if (first !== undefined) throw first.reason;
      return { claimed, failed: false };
    } catch (error) {
      if (this.#end.signal.aborted) return { claimed, failed: false };
      metrics.count('outbox_failures', { code: error instanceof RpcError ? error.code : 'store' });
      log.warn({ claimed, err: loggedError(error) }, 'staged events could not be published or marked; they are tried again');
      return { claimed, failed: true };
    }
  }

  /** Until the time is over, somebody wakes us or the end. */
  async #rest(ms: number): Promise<void> {
    if (!this.#woken) {
      this.#wake = new AbortController();
      await this.#sleep(ms, this.#wake.signal);
    }
    this.#woken = false;
  }

  #sleep(ms: number, signal: AbortSignal): Promise<void> {
    return this.#end.signal.aborted ? Promise.resolve() : this.#transport.environment.clock.sleep(ms, signal).catch(() => undefined);
  }
}
