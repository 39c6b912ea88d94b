import { HostRequests, type HostRequest, type HostSelections, type schedulerContract } from '@kilonova/objects';
import { type Client, RpcError } from '@kilonova/rpc';
import type { Clock } from '@kilonova/runtime';
import type { ConductorConfig } from '../config.ts';
import type { Database } from '../db/connection.ts';
import { readHostRequests, type Wishes } from '../db/placement.ts';
import { Gatherer } from './engine/gatherer.ts';
import { Places } from './engine/places.ts';

/** What is asked for equal instances of one request. */
export interface HostQuestion {
  readonly instanceUuids: readonly string[];
  readonly wishes: Wishes;
}

export interface HostQuestionsParts {
  readonly knex: Database;
  readonly clock: Clock;
  readonly scheduler: Pick<Client<typeof schedulerContract>, 'selectDestinations' | 'selectTogether'>;
  readonly config: ConductorConfig;
}

interface Waiting extends HostQuestion {
  readonly signal: AbortSignal;
  readonly settle: (answer: Promise<HostSelections | undefined>) => void;
}

/**
 * Asks the scheduler where instances may go. Questions that come while others are under way are asked together: one
 * statement reads what all of them want, and one call asks it.
 */
export class HostQuestions {
  readonly #parts: HostQuestionsParts;
  readonly #waiting: Gatherer<Waiting>;

  constructor(parts: HostQuestionsParts) {
    this.#parts = parts;
    const { selectBatch: batch, callConcurrency: concurrency, selectPatienceMs: patienceMs } = parts.config;
    this.#waiting = new Gatherer({ batch, places: new Places({ concurrency, patienceMs, clock: parts.clock }) }, (waiting) =>
      this.#ask(waiting),
    );
  }

  /** Undefined when the instances are gone. @throws what the scheduler, the broker or the database throws */
  ask(question: HostQuestion, signal: AbortSignal): Promise<HostSelections | undefined> {
    return new Promise((settle) => this.#waiting.push('question', { ...question, signal, settle }));
  }

  /** Never rejects. */
  async #ask(waiting: readonly Waiting[]): Promise<void> {
    try {
      const requests = await readHostRequests(this.#parts.knex, waiting);
      const asked = waiting.flatMap((one, index) => (requests[index] === undefined ? [] : [{ ...one, request: requests[index] }]));
      for (const [index, { settle }] of waiting.entries()) if (requests[index] === undefined) settle(Promise.resolve(undefined));
      // One that is for many would make the message of all too large.
      const small = asked.filter(({ instanceUuids }) => instanceUuids.length <= this.#parts.config.selectBatch);
      const answers = small.length > 1 ? await this.#together(small) : undefined;
      const answerTo = new Map(answers?.map((answer, index) => [small[index], answer]));
      await Promise.all(
        asked.map(async (one) => {
          const known = answerTo.get(one);
          const answer = known === undefined ? this.#alone(one.request, one.signal) : Promise.resolve(known);
          one.settle(answer);
          await answer.catch(() => undefined); // whoever asked has it
        }),
      );
    } catch (error) {
      for (const { settle } of waiting) settle(Promise.reject(error));
    }
  }

  #alone(request: HostRequest, signal: AbortSignal): Promise<HostSelections> {
    return this.#parts.scheduler.selectDestinations(request, { timeoutMs: this.#parts.config.selectTimeoutMs, signal });
  }

  /** Undefined when each has to be asked alone: schedulers of before cannot be asked together, and a refusal may concern one of them. */
  async #together(asked: readonly (Waiting & { readonly request: HostRequest })[]): Promise<readonly HostSelections[] | undefined> {
    const { scheduler, config } = this.#parts;
    const together = Object.assign(new HostRequests(), { requests: asked.map(({ request }) => request) });
    try {
      const { answers } = await scheduler.selectTogether(together, { timeoutMs: config.selectTimeoutMs, signal: asked[0]!.signal });
      return answers;
    } catch (error) {
      if (error instanceof RpcError && ALONE.has(error.code)) return undefined;
      throw error;
    }
  }
}

const ALONE: ReadonlySet<string> = new Set(['UnsupportedVersion', 'NoSuchMethod', 'MessageTooLarge', 'InvalidInput']);
