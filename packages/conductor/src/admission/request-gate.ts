import { isUnavailable } from '../db/unavailable.ts';
import type { Services } from '../services.ts';
import { Gatherer } from '../tasks/engine/gatherer.ts';
import { Places } from '../tasks/engine/places.ts';

/** What became of one request of a batch. */
export type Outcome<Res> =
  | { readonly accepted: Res }
  | { readonly refused: unknown }
  /** It met another one, of the batch or of elsewhere: to be judged again, after that. */
  | 'again';

export interface GateOptions<Req, Res> {
  /** Requests that share one transaction. */
  readonly batch: number;
  /** Where transactions get their turn. */
  readonly places: Places;
  /** How often a request is judged again before it is refused with `busy`. */
  readonly retries: number;
  /** Judges them in one transaction, in their order. Throws what the database throws; then none was accepted. */
  readonly admit: (requests: readonly Req[]) => Promise<readonly Outcome<Res>[]>;
  readonly busy: (request: Req) => Error;
}

interface Waiting<Req, Res> {
  readonly request: Req;
  readonly resolve: (result: Res) => void;
  readonly reject: (error: unknown) => void;
  retries: number;
}

/**
 * Lets requests that come at the same time share a transaction: one that is alone goes at once, and while all
 * transactions are busy the next batch grows. How many wait is bounded by the server's limits on requests in hand.
 */
export class RequestGate<Req, Res> {
  readonly #options: GateOptions<Req, Res>;
  readonly #waiting: Gatherer<Waiting<Req, Res>>;

  constructor(options: GateOptions<Req, Res>) {
    this.#options = options;
    this.#waiting = new Gatherer(options, (all) => this.#admit(all));
  }

  /** @throws why it was refused, or what the database throws */
  admit(request: Req): Promise<Res> {
    return new Promise((resolve, reject) => this.#waiting.push(KIND, { request, resolve, reject, retries: 0 }));
  }

  /** Never rejects. */
  async #admit(batch: readonly Waiting<Req, Res>[]): Promise<void> {
    try {
      const outcomes = await this.#options.admit(batch.map(({ request }) => request));
      for (const [index, outcome] of outcomes.entries()) this.#settle(batch[index]!, outcome);
    } catch (error) {
      if (batch.length === 1 || isUnavailable(error)) {
        for (const { reject } of batch) reject(error);
        return;
      }
      // One of them spoils the transaction of all; alone, each fares as it deserves.
      const middle = Math.ceil(batch.length / 2);
      await this.#admit(batch.slice(0, middle));
      await this.#admit(batch.slice(middle));
    }
  }

  #settle(waiting: Waiting<Req, Res>, outcome: Outcome<Res>): void {
    if (outcome === 'again') {
      waiting.retries += 1;
      if (waiting.retries > this.#options.retries) waiting.reject(this.#options.busy(waiting.request));
      else this.#waiting.push(KIND, waiting);
    } else if ('refused' in outcome) waiting.reject(outcome.refused);
    else waiting.resolve(outcome.accepted);
  }
}

/** As they are configured. */
export function gateLimits({ config, clock }: Pick<Services, 'config' | 'clock'>) {
  const { admitBatch: batch, admitConcurrency: concurrency, admitPatienceMs: patienceMs, raceRetries: retries } = config.conductor;
  return { batch, places: new Places({ concurrency, patienceMs, clock }), retries };
}

/** All share. */
const KIND = 'request';
