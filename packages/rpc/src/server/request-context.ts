import type { Context } from '../context.ts';
import type { Clock } from '../environment.ts';
import { DeadlineExceeded } from '../errors.ts';
import type { Metadata } from '../interceptors.ts';
import { MOST_WAIT_MS } from '../options.ts';
import { noMetadata } from '../wire/metadata.ts';

/** Most handlers never look at the signal, so it and its timer are made when asked for. */
export class RequestContext implements Context {
  readonly requestId: string;
  readonly deadline: number;
  readonly caller: string;
  readonly namespace: string | undefined;
  readonly method: string;
  readonly version: string;
  readonly metadata: Metadata;
  readonly #clock: Clock;
  #controller: AbortController | undefined;
  #cancel: (() => void) | undefined;
  #aborted: Error | undefined;
  #cancelled = false;

  constructor(clock: Clock, given: Omit<Context, 'signal' | 'metadata'> & { readonly metadata?: Metadata | undefined }) {
    this.#clock = clock;
    this.requestId = given.requestId;
    this.deadline = given.deadline;
    this.caller = given.caller;
    this.namespace = given.namespace;
    this.method = given.method;
    this.version = given.version;
    this.metadata = given.metadata ?? noMetadata;
  }

  get expired(): boolean {
    return this.#clock.now() >= this.deadline;
  }

  /** The caller gave up. */
  get cancelled(): boolean {
    return this.#cancelled;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#aborted !== undefined) this.#controller.abort(this.#aborted);
      else if (this.deadline !== Number.POSITIVE_INFINITY) {
        // What a peer allows may be more than a timer holds, and such a one would fire at once.
        const leftMs = Math.min(MOST_WAIT_MS, Math.max(0, this.deadline - this.#clock.now()));
        this.#cancel = this.#clock.after(leftMs, () =>
          this.abort(new DeadlineExceeded(`${this.method}: the deadline passed while it was handled`)),
        );
      }
    }
    return this.#controller.signal;
  }

  abort(reason: Error): void {
    this.#aborted = reason;
    this.#controller?.abort(reason);
  }

  cancel(reason: Error): void {
    this.#cancelled = true;
    this.abort(reason);
  }

  /** The handler has ended. */
  end(): void {
    this.#cancel?.();
  }
}
