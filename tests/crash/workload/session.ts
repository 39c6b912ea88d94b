import { setTimeout as pause } from 'node:timers/promises';
import type { Random } from '@kilonova/runtime';
import type { Answer, ComputeClient, RequestOptions } from '../../support/compute-client.ts';
import { API_BOUNDS } from '../field-config.ts';

/** One thing that a user asked for, from the first attempt to its answer. Times are the machine's. */
export interface Operation {
  readonly verb: string;
  readonly writes: boolean;
  readonly beganAt: number;
  endedAt: number;
}

/** An attempt whose answer took longer than the api promises. */
export interface LateAnswer {
  readonly api: string;
  readonly verb: string;
  readonly beganAt: number;
  readonly endedAt: number;
}

/** What all users of a run saw. */
export class Sightings {
  readonly operations: Operation[] = [];
  /** Answers that no user should get. */
  readonly wrong: string[] = [];
  readonly late: LateAnswer[] = [];
  answers = 0;
  unavailable = 0;
  unanswered = 0;
  longestAnswerMs = 0;
  longestUnavailableMs = 0;
  longestOperationMs = 0;
}

const timeOf = (moment: number) => new Date(moment).toISOString();

const RETRY_MS = 100;
/** An answer may wait for event loops as well, here and there. */
const SLACK_MS = 5_000;
const GIVE_UP_MS = 120_000;

/** An api by its name. */
export interface Endpoint {
  readonly name: string;
  readonly client: ComputeClient;
}

/**
 * A user who does not give up: a request that got no answer, or a 503, is sent again, to the other api and with the same
 * key, until it has one.
 */
export class Session {
  readonly #clients: readonly Endpoint[];
  readonly #seen: Sightings;
  readonly #random: Random;

  constructor(clients: readonly Endpoint[], seen: Sightings, random: Random) {
    this.#clients = clients;
    this.#seen = seen;
    this.#random = random;
  }

  /** An answer with one of the `expected` statuses; any other is written down as wrong. */
  async ask<T = unknown>(
    verb: string,
    [method, path, options = {}]: readonly [method: string, path: string, options?: RequestOptions],
    expected: readonly number[],
  ): Promise<Answer<T>> {
    const operation: Operation = { verb, writes: method !== 'GET', beganAt: Date.now(), endedAt: Infinity };
    this.#seen.operations.push(operation);
    let turn = Math.floor(this.#random.next() * this.#clients.length);
    for (let attempts = 1; ; attempts += 1) {
      const answer = await this.#attempt<T>(verb, this.#clients[turn++ % this.#clients.length]!, [method, path, options]);
      const done = answer !== undefined && answer.status !== 503;
      if (done || Date.now() - operation.beganAt > GIVE_UP_MS) {
        operation.endedAt = Date.now();
        this.#seen.longestOperationMs = Math.max(this.#seen.longestOperationMs, operation.endedAt - operation.beganAt);
        if (!done) throw new Error(`${verb}: ${method} ${path} had no answer in ${GIVE_UP_MS} ms`);
        if (!expected.includes(answer.status))
          this.#seen.wrong.push(
            `${verb}: ${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)} (attempt ${attempts}, ${timeOf(operation.endedAt)})`,
          );
        return answer;
      }
      await pause(RETRY_MS);
    }
  }

  async #attempt<T>(
    verb: string,
    { name, client }: Endpoint,
    [method, path, options]: readonly [string, string, RequestOptions],
  ): Promise<Answer<T> | undefined> {
    const seen = this.#seen;
    const beganAt = Date.now();
    let answer: Answer<T> | undefined;
    try {
      answer = await client.request<T>(method, path, { ...options, timeoutMs: 30_000 });
    } catch {
      seen.unanswered += 1; // the api itself ended, or stood still
    }
    const endedAt = Date.now();
    const tookMs = endedAt - beganAt;
    if (tookMs > API_BOUNDS.requestTimeoutMs + SLACK_MS) seen.late.push({ api: name, verb, beganAt, endedAt });
    if (answer === undefined) return undefined;
    seen.answers += 1;
    if (answer.status === 503) {
      seen.unavailable += 1;
      seen.longestUnavailableMs = Math.max(seen.longestUnavailableMs, tookMs);
    } else seen.longestAnswerMs = Math.max(seen.longestAnswerMs, tookMs);
    return answer;
  }
}
