import type { AnswerMemory } from './answer-memory.ts';
import type { Answers } from './answers.ts';
import { checkAuthority } from './authorize.ts';
import type { Attachment } from '../wire/attachments.ts';
import { castFailure, deadReason, waitAfter } from './cast-failure.ts';
import { DeadlineExceeded, RpcError } from '../errors.ts';
import { chain, type IncomingCall } from '../interceptors.ts';
import type { Job } from './job.ts';
import { isOrdered } from '../contract/lane.ts';
import { loggedError } from '../telemetry/logged-error.ts';
import type { RefusalLog } from './refusal-log.ts';
import { interceptHandling, Refused, type Around } from './refused.ts';
import type { ServerCounts } from './server-counts.ts';
import type { ServeOptions } from './server.ts';
import { ReaderLeft, sendStream } from './stream-sender.ts';
import type { Transport } from '../transport.ts';
import { isAwaited } from '../wire/wire.ts';
import { writerFor } from '../codec/writer.ts';

/** What became of a job: done, with the answer that was sent if any; not done; to be put aside; to be tried again. */
type Outcome = { readonly answer: Buffer | undefined } | 'undone' | { readonly deadFor: string; readonly code: string } | 'again';
const DONE: Outcome = { answer: undefined };

/** Whether a server that remembers what it did remembers this. Ordered messages go to whichever server is next. */
export const isRemembered = ({ accepted: { envelope }, lane }: Pick<Job, 'accepted' | 'lane'>): boolean =>
  (envelope.kind === 'call' || envelope.kind === 'cast') && !isOrdered(lane);

/** What an execution works with. */
export interface ExecutionParts {
  readonly answers: Answers;
  readonly counts: ServerCounts;
  /** Undefined: nothing is remembered. */
  readonly memory: AnswerMemory | undefined;
  readonly refusals: RefusalLog;
}

/** Runs one job: asks whether its sender may, calls the handler, answers, acknowledges. */
export class Execution {
  readonly #transport: Transport;
  readonly #answers: Answers;
  readonly #counts: ServerCounts;
  readonly #memory: AnswerMemory | undefined;
  readonly #refusals: RefusalLog;
  readonly #authorize: ServeOptions['authorize'];
  /** Undefined where there are none. */
  readonly #around: Around | undefined;
  readonly #again: (job: Job, ms: number) => boolean;

  /** `again` runs a job once more after a while; false when it will not. */
  constructor(
    transport: Transport,
    { answers, counts, memory, refusals }: ExecutionParts,
    options: Pick<ServeOptions, 'authorize' | 'interceptors'>,
    again: (job: Job, ms: number) => boolean,
  ) {
    this.#transport = transport;
    this.#answers = answers;
    this.#counts = counts;
    this.#memory = memory;
    this.#refusals = refusals;
    this.#authorize = options.authorize;
    this.#around = chain(transport.environment.interceptors.server, options.interceptors);
    this.#again = again;
  }

  /** Never rejects: whatever the handler does ends as an answer, in the log, or as a dead letter. */
  async run(job: Job): Promise<void> {
    const { clock } = this.#transport.environment;
    const { envelope } = job.accepted;
    const start = clock.monotonic();
    let outcome: Outcome = 'undone';
    try {
      if (job.context.cancelled) this.#counts.count('cancelled', envelope);
      else if (job.context.expired) this.#counts.count('expired', envelope);
      else outcome = await this.#handle(job);
    } finally {
      if (outcome !== 'again') this.#end(job, outcome);
      this.#counts.handled(envelope, clock.monotonic() - start);
    }
  }

  #end(job: Job, outcome: Exclude<Outcome, 'again'>): void {
    const { delivery, context, accepted } = job;
    context.end();
    job.endBeats?.();
    if (this.#memory !== undefined && isRemembered(job)) {
      const answer = typeof outcome === 'object' && 'answer' in outcome ? outcome.answer : undefined;
      const joined = outcome === 'undone' ? this.#memory.forget(delivery) : this.#memory.done(delivery, answer);
      for (const each of joined) each.ack();
    }
    if (job.givenUp) return; // it was handed back already, or goes back with its queue
    if (typeof outcome === 'string' || 'answer' in outcome) return delivery.ack();
    this.#counts.count('dead_lettered', accepted.envelope, outcome.code);
    this.#transport.deadLetter(delivery, accepted.envelope.topic, outcome.deadFor);
  }

  async #handle(job: Job): Promise<Outcome> {
    const { delivery, accepted, context } = job;
    const { method, minor } = accepted;
    try {
      const around = this.#around;
      const answer = await (around === undefined ? this.#work(job) : interceptHandling(around, this.#incoming(job), () => this.#work(job)));
      if (method.kind !== 'call' || context.expired || context.cancelled) return DONE;
      const attachments: Attachment[] = [];
      const body = writerFor<object>(method.response, minor)(answer as object, attachments);
      return { answer: this.#answers.answer(delivery, body, attachments) };
    } catch (error) {
      if (error instanceof ReaderLeft) return DONE;
      if (!(error instanceof Refused)) return this.#failed(job, error);
      this.#refuse(job, error.refusal);
      return 'undone';
    }
  }

  /** @throws Refused, ReaderLeft, and whatever the handler throws */
  async #work(job: Job): Promise<unknown> {
    const { delivery, accepted, context, handler } = job;
    const { envelope, method, request, minor } = accepted;
    if (this.#authorize !== undefined)
      await checkAuthority(this.#authorize, context).catch((error: RpcError) => {
        throw new Refused(error);
      });
    this.#counts.count('handled', envelope);
    const result = handler(context, request);
    if (method.kind !== 'stream') return result;
    const target = { replyTo: delivery.replyTo ?? '', correlationId: delivery.correlationId ?? '', signal: context.signal };
    const write = writerFor<object>(method.item, minor);
    await sendStream(this.#transport, target, result as AsyncIterable<readonly object[]>, (item) => write(item));
    return undefined;
  }

  #incoming({ accepted, context, delivery }: Job): IncomingCall {
    const { kind, topic, method, server } = accepted.envelope;
    return { kind, topic, method, server, request: accepted.request, context, redelivered: delivery.redelivered };
  }

  #refuse(job: Job, refusal: RpcError): void {
    const { code, message } = refusal;
    this.#counts.count('refused', job.accepted.envelope, code);
    this.#refusals.warn({ ...fieldsOf(job), caller: job.context.caller, code, reason: message }, 'message refused');
    this.#answers.refuse(job.delivery, refusal);
  }

  #failed(job: Job, error: unknown): Outcome {
    const { log } = this.#transport.environment;
    const { delivery, accepted, context } = job;
    const { envelope } = accepted;
    const fields = fieldsOf(job);
    if (context.cancelled) {
      this.#counts.count('cancelled', envelope);
      return 'undone';
    }
    this.#counts.count('handler_errors', envelope, codeOf(error));
    if (envelope.kind === 'cast') return this.#castFailed(job, error);
    // The application's own errors are answers; a caller who left, or ran out of time, is told nothing.
    if (error instanceof RpcError && isAwaited(envelope.kind))
      log.debug({ ...fields, code: error.code, reason: error.message }, 'request failed');
    else log.error({ ...fields, err: loggedError(error) }, 'handler failed');
    if (!isAwaited(envelope.kind) || (context.expired && error instanceof DeadlineExceeded)) return DONE;
    return { answer: this.#answers.fail(delivery, error) };
  }

  /** Who casts listens for refusals only: the work was taken, and its failure is this side's. */
  #castFailed(job: Job, error: unknown): Outcome {
    const { clock, log, random } = this.#transport.environment;
    const { endpoint, envelope, method } = job.accepted;
    const policy = castFailure(envelope.method, endpoint.contract.delivery.failure, method.kind === 'cast' ? method.failure : undefined);
    const attempt = ++job.failed;
    const fields = { ...fieldsOf(job), attempt, attempts: policy.attempts, err: loggedError(error) };
    if (job.givenUp || (isOrdered(job.lane) && job.delivery.lost?.aborted === true)) {
      log.error(fields, 'handler failed; the message goes to another server');
      return 'undone';
    }
    const waitMs = waitAfter(policy, attempt, random.next());
    if (attempt < policy.attempts && clock.now() + waitMs < job.context.deadline && this.#again(job, waitMs)) {
      log.error(fields, 'handler failed, to be tried again');
      return 'again';
    }
    log.error(fields, 'handler failed');
    return policy.outcome === 'drop' ? DONE : { deadFor: deadReason(attempt, error), code: codeOf(error) };
  }
}

const codeOf = (error: unknown): string => (error instanceof RpcError ? error.code : 'unknown');

const fieldsOf = ({ accepted: { envelope } }: Job) => ({
  topic: envelope.topic,
  namespace: envelope.namespace,
  method: envelope.method,
  requestId: envelope.requestId,
});
