import type { Worker } from 'node:cluster';
import { healthOf, type Check, type Clock, type Health, type Logger } from '@kilonova/runtime';
import type { ReadyMessage } from '../process/service-process.ts';
import type { Answer, Question, Told, Wanted } from './channel.ts';

export interface WorkerGroupParts {
  readonly count: number;
  /** Starts the worker of this number. */
  readonly fork: (number: number) => Worker;
  readonly clock: Clock;
  readonly log: Logger;
  /** Called for each worker that ended without being told to. */
  readonly onEnd: () => void;
  /** First and longest wait before another worker takes the place of one that ended. */
  readonly restartMinMs: number;
  readonly restartMaxMs: number;
  /** How often workers are asked for a sign of life, and how long one may owe it before it is ended. */
  readonly signMs: number;
  readonly silentMs: number;
  /** How long an answer is waited for. */
  readonly answerMs: number;
}

/** The room of one worker, whichever process is in it. */
interface Place {
  readonly number: number;
  worker: Worker | undefined;
  /** Where it listens; undefined before it is ready. */
  addresses: readonly string[] | undefined;
  readyAt: number;
  /** Signs of life that it was asked for in a row without an answer to anything. */
  owed: number;
  /** Workers that ended here soon after each other. */
  shortLived: number;
  cancel: (() => void) | undefined;
}

/** Keeps so many workers at work: another one takes the place of each that ends, or that is silent for too long. */
export class WorkerGroup {
  readonly #parts: WorkerGroupParts;
  readonly #places: readonly Place[];
  readonly #questions = new Map<number, (answer: Answer | undefined) => void>();
  #lastQuestion = 0;
  #up = false;
  #stopping = false;
  #cancelSigns: () => void = () => undefined;
  #startFailed: (error: Error) => void = () => undefined;
  #startMoved: () => void = () => undefined;

  constructor(parts: WorkerGroupParts) {
    this.#parts = parts;
    this.#places = Array.from({ length: parts.count }, (_, index) => ({
      ...{ number: index + 1, worker: undefined, addresses: undefined, readyAt: 0, owed: 0, shortLived: 0, cancel: undefined },
    }));
  }

  /**
   * Starts all of them and settles with where they listen when each is ready.
   * @throws Error that names the first that ended before: what hinders one at the start hinders all
   */
  async start(): Promise<readonly string[]> {
    const ready = new Promise<void>((settle, reject) => {
      this.#startFailed = reject;
      this.#startMoved = () => {
        if (this.#places.every(({ addresses }) => addresses !== undefined)) settle();
      };
    });
    for (const place of this.#places) this.#fork(place);
    this.#askForSigns();
    await ready;
    this.#up = true;
    return [...new Set(this.#places.flatMap(({ addresses }) => addresses ?? []))];
  }

  /** Well as long as one worker is, for that one does the work; each check says whose it is. */
  async health(): Promise<Health> {
    const found = await Promise.all(this.#places.map((place) => this.#healthOf(place)));
    const checks: Record<string, Check> = {};
    for (const [index, { number }] of this.#places.entries())
      for (const [check, one] of Object.entries(found[index]!.checks)) checks[`${number}.${check}`] = one;
    return { ok: found.some(({ ok }) => ok), checks };
  }

  /** The metrics of every worker that answers, a text of each. */
  async metrics(): Promise<readonly string[]> {
    const told = await Promise.all(this.#places.map((place) => this.#ask(place, 'metrics')));
    return told.flatMap((one) => (one?.metrics === undefined ? [] : [one.metrics]));
  }

  /** SIGTERM to all, and SIGKILL to those that have not ended after `graceMs`. */
  async stop(graceMs: number): Promise<void> {
    this.#stopping = true;
    this.#cancelSigns();
    await Promise.all(
      this.#places.map(async ({ worker, cancel }) => {
        cancel?.();
        if (worker?.process.pid === undefined) return; // there is none, or there never was
        const ended = new Promise((settle) => worker.process.once('close', settle)); // with its last words
        worker.process.kill('SIGTERM');
        const cancelKill = this.#parts.clock.after(graceMs, () => worker.process.kill('SIGKILL'));
        await ended;
        cancelKill();
      }),
    );
  }

  #fork(place: Place): void {
    const { fork, log } = this.#parts;
    const worker = fork(place.number);
    Object.assign(place, { worker, addresses: undefined, owed: 0, cancel: undefined });
    worker.on('message', (message: ReadyMessage | Answer | null) => {
      if (message?.kilonova === 'ready') this.#ready(place, message.addresses);
      else if (message?.kilonova === 'answer') this.#questions.get(message.id)?.(message);
    });
    worker.once('exit', (code, signal) => this.#ended(place, worker, signal ?? `code ${code}`));
    worker.on('error', (error) => {
      // One that the system did not start emits this and no `exit`.
      if (worker.process.pid === undefined) this.#ended(place, worker, error.message);
      else log.error({ worker: place.number, error: error.message }, 'trouble with a worker');
    });
    if (worker.process.pid !== undefined) log.info({ worker: place.number, workerPid: worker.process.pid }, 'worker started');
  }

  #ready(place: Place, addresses: readonly string[]): void {
    Object.assign(place, { addresses, readyAt: this.#parts.clock.monotonic() });
    this.#startMoved();
  }

  #ended(place: Place, worker: Worker, how: string): void {
    if (place.worker !== worker) return; // told before
    const { clock, log, restartMinMs, restartMaxMs, onEnd } = this.#parts;
    const { number, addresses, readyAt } = place;
    const wasSteady = addresses !== undefined && clock.monotonic() - readyAt >= restartMaxMs;
    Object.assign(place, { worker: undefined, addresses: undefined });
    if (this.#stopping) return;
    if (!this.#up) return this.#startFailed(new Error(`worker ${number} ended with ${how} before it was ready`));
    onEnd();
    place.shortLived = wasSteady ? 0 : place.shortLived + 1;
    const waitMs = Math.min(restartMaxMs, restartMinMs * 2 ** Math.max(0, place.shortLived - 1));
    log.error({ worker: number, how, waitMs }, 'a worker ended; another one takes its place');
    place.cancel = clock.after(waitMs, () => this.#fork(place));
  }

  async #healthOf(place: Place): Promise<Health> {
    const not = (reason: string) => healthOf({ process: { ok: false, reason } });
    if (place.worker === undefined) return not('it ended, and another one is about to start');
    if (place.addresses === undefined) return not('starting');
    const told = await this.#ask(place, 'health');
    return told?.health ?? not(`no answer within ${this.#parts.answerMs} ms`);
  }

  /** Undefined: no worker, or one that is not ready to tell it, no answer in time, or none to this. */
  async #ask(place: Place, wanted: Wanted): Promise<Told | undefined> {
    const { clock, answerMs } = this.#parts;
    const { worker, addresses } = place;
    if (worker === undefined || !worker.isConnected() || (addresses === undefined && wanted !== 'sign')) return undefined;
    const id = (this.#lastQuestion += 1);
    let cancel: () => void = () => undefined;
    const answer = await new Promise<Answer | undefined>((settle) => {
      this.#questions.set(id, settle);
      cancel = clock.after(answerMs, () => settle(undefined));
      worker.send({ kilonova: 'question', id, wanted } satisfies Question, (error) => {
        if (error !== null) settle(undefined);
      });
    });
    cancel();
    this.#questions.delete(id);
    if (answer !== undefined && place.worker === worker) place.owed = 0;
    return answer?.told;
  }

  /** One that stands still with its requests would hold them for ever. Counted, so that a pause of this process ends nobody. */
  #askForSigns(): void {
    const { clock, log, signMs, silentMs } = this.#parts;
    this.#cancelSigns = clock.after(signMs, () => {
      for (const place of this.#places) {
        if (place.worker === undefined) continue;
        const silentForMs = place.owed * signMs;
        place.owed += 1;
        if (silentForMs < silentMs) void this.#ask(place, 'sign');
        else {
          log.error({ worker: place.number, silentForMs }, 'a worker gives no sign of life and is ended');
          place.worker.process.kill('SIGKILL');
        }
      }
      this.#askForSigns();
    });
  }
}
