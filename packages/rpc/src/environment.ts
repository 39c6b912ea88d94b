import { randomBytes, randomUUID } from 'node:crypto';
import { setTimeout as sleepOnTimer } from 'node:timers/promises';
import type { Interceptors } from './interceptors.ts';
import { MOST_WAIT_MS } from './options.ts';

/** Time is handed in; the default is the machine's. */
export interface Clock {
  /** Wall clock, milliseconds since the epoch. */
  now(): number;
  /** Never goes back; milliseconds from an arbitrary start. For durations. */
  monotonic(): number;
  /** Runs `act` once after `ms`; the returned function cancels it. */
  after(ms: number, act: () => void): () => void;
  /** Settles after `ms`; rejects with the signal's reason when aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** Randomness is handed in, so that a run under a seed repeats; the default is the machine's. */
export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
  /** A version 4 UUID. */
  uuid(): string;
}

/** One event with fields. Message bodies are never among the fields. */
export interface Logger {
  debug(fields: object, event: string): void;
  info(fields: object, event: string): void;
  warn(fields: object, event: string): void;
  error(fields: object, event: string): void;
}

/** What is counted. Every counter goes up by one. */
export type RpcCounter =
  | 'calls'
  | 'casts'
  | 'fanouts'
  | 'streams' // sent
  | 'call_failures' // with label `code`
  | 'handled'
  | 'handler_errors' // received
  | 'refused' // with label `code`: UnsupportedVersion, NoSuchMethod, Busy, NotAuthorized
  | 'refusals' // came back: own casts that a server refused, with label `code`
  | 'deprecated' // used a method that is on its way out
  | 'expired' // arrived after its deadline
  | 'cancelled' // the caller gave up before the handler ended
  | 'silent_servers' // no sign of life for two beats
  | 'dead_lettered'
  | 'misdirected' // named another server
  | 'unroutable_replies'
  | 'late_replies' // the caller had given up
  | 'duplicates' // arrived again, while or after it was handled
  | 'notifications' // sent
  | 'outbox_failures' // staged events that could not be published or marked, per attempt
  | 'resent' // idempotent calls sent again after a reconnect
  | 'retried' // attempts of calls beyond their first; each attempt also counts as a call
  | 'retry_budget_exhausted' // a call failed that would have been tried again
  | 'connects'
  | 'reconnects' // every connect but the first
  | 'renewals' // of a living connection, by `renew`
  | 'disconnects'
  | 'blocked_event_loop'; // for longer than `loopBlockedMs`

/** What is there at a moment. */
export type RpcGauge =
  | 'connected' // 1 or 0
  | 'blocked' // 1 while the broker takes no messages
  | 'calls_in_flight' // streams included, and those that wait for a connection
  | 'calls_waiting' // of those: not sent yet
  | 'unconfirmed' // casts, fanouts and notifications that the broker has not confirmed
  | 'held_bytes' // of requests that are not over
  | 'handlers_running' // by topic
  | 'handlers_limit' // by topic: how many may run
  | 'requests_waiting' // by topic, for a handler
  | 'requests_waiting_limit'; // by topic: calls above it are refused as Busy

/** What a figure is about: values from contracts, so there are few of them. */
export type RpcLabels = Readonly<Record<string, string>>;

/** Where figures go. `topic` and `method` are bounded by the contracts, so they are safe as labels. */
export interface RpcMetrics {
  count(counter: RpcCounter, labels: RpcLabels): void;
  /** Milliseconds: `call` from sending to answer, `handle` from start to end of a handler. */
  duration(name: 'call' | 'handle', ms: number, labels: RpcLabels): void;
  /**
   * `read` may be asked at any time until the returned function is called. Several sources may have one name and the same
   * labels (two servers of one process): their sum is meant.
   */
  observe?(gauge: RpcGauge, labels: RpcLabels, read: () => number): () => void;
}

/** Everything a transport gets from outside. */
export interface Environment {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: RpcMetrics;
  /** Around every call of its clients and every handler of its servers. */
  readonly interceptors: Interceptors;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(ms, act) {
    const timer = setTimeout(act, Math.min(ms, MOST_WAIT_MS)); // a longer one would fire at once
    return () => clearTimeout(timer);
  },
  sleep: (ms, signal) => sleepOnTimer(Math.min(ms, MOST_WAIT_MS), undefined, signal === undefined ? {} : { signal }),
};

export const systemRandom: Random = {
  next: () => randomBytes(4).readUInt32LE() / 2 ** 32,
  uuid: () => randomUUID(),
};

const nothing = () => undefined;
const silentLog: Logger = { debug: nothing, info: nothing, warn: nothing, error: nothing };
const noInterceptors: Interceptors = Object.freeze({});
const noMetrics: RpcMetrics = { count: nothing, duration: nothing };

/** The given parts, and the machine's own for those not given. */
export const environment = (given: Partial<Environment>): Environment => ({
  clock: given.clock ?? systemClock,
  random: given.random ?? systemRandom,
  log: given.log ?? silentLog,
  metrics: given.metrics ?? noMetrics,
  interceptors: given.interceptors ?? noInterceptors,
});
