import type { Answers } from './answers.ts';
import { checkAuthority } from './authorize.ts';
import type { Attachment } from './attachments.ts';
import { encoderFor } from './codec/codec.ts';
import { DeadlineExceeded, RpcError } from './errors.ts';
import { chain, type IncomingCall } from './interceptors.ts';
import type { Job } from './job.ts';
import type { ServerCounts } from './server-counts.ts';
import type { ServeOptions } from './server.ts';
import { ReaderLeft, sendStream } from './stream-sender.ts';
import type { Transport } from './transport.ts';
import { isAwaited } from './wire.ts';
import { loggedError } from './logged-error.ts';

type Around = NonNullable<ReturnType<typeof chain<IncomingCall>>>;

/** Runs one job: asks whether its sender may, calls the handler, answers, acknowledges. */
export class Execution {
  readonly #transport: Transport;
  readonly #answers: Answers;
  readonly #counts: ServerCounts;
  readonly #authorize: ServeOptions['authorize'];
  /** Undefined where there are none. */
  readonly #around: Around | undefined;

  constructor(transport: Transport, answers: Answers, counts: ServerCounts, options: Pick<ServeOptions, 'authorize' | 'interceptors'>) {
    this.#transport = transport;
    this.#answers = answers;
    this.#counts = counts;
    this.#authorize = options.authorize;
    this.#around = chain(transport.environment.interceptors.server, options.interceptors);
  }

  /** Never rejects: whatever the handler does ends as an answer or in the log. */
  async run(job: Job): Promise<void> {
    const { clock } = this.#transport.environment;
    const { envelope } = job.accepted;
    const start = clock.monotonic();
    try {
      if (job.context.cancelled) this.#counts.count('cancelled', envelope);
      else if (job.context.expired) this.#counts.count('expired', envelope);
      else await this.#handle(job);
    } finally {
      job.context.end();
      job.endBeats?.();
      job.delivery.ack();
      this.#counts.handled(envelope, clock.monotonic() - start);
    }
  }

  async #handle(job: Job): Promise<void> {
    const { delivery, accepted, context } = job;
    const { method, minor } = accepted;
    try {
      const answer = await (this.#around === undefined ? this.#work(job) : this.#intercepted(this.#around, job));
      if (method.kind === 'call' && !context.expired && !context.cancelled) {
        const attachments: Attachment[] = [];
        this.#answers.answer(delivery, encoderFor<object>(method.response, minor)(answer as object, attachments), attachments);
      }
    } catch (error) {
      if (error instanceof Refused) this.#refuse(job, error.refusal);
      else if (!(error instanceof ReaderLeft)) this.#failed(job, error);
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
    const encode = encoderFor<object>(method.item, minor) as (item: unknown) => unknown;
    await sendStream(this.#transport, target, result as AsyncIterable<readonly object[]>, encode);
    return undefined;
  }

  async #intercepted(around: Around, job: Job): Promise<unknown> {
    const { kind, topic, method, server } = job.accepted.envelope;
    const { request } = job.accepted;
    const call = { kind, topic, method, server, request, context: job.context, redelivered: job.delivery.redelivered };
    let begun = false;
    let refusal: RpcError | undefined;
    try {
      return await around(call, () => {
        begun = true;
        return this.#work(job).catch((error: unknown) => {
          if (!(error instanceof Refused)) throw error;
          refusal = error.refusal; // interceptors see the error that the caller will
          throw refusal;
        });
      });
    } catch (error) {
      if ((refusal !== undefined && error === refusal) || (!begun && error instanceof RpcError)) throw new Refused(error as RpcError);
      throw error;
    }
  }

  #refuse(job: Job, refusal: RpcError): void {
    const { code, message } = refusal;
    this.#counts.count('refused', job.accepted.envelope, code);
    this.#transport.environment.log.warn({ ...fieldsOf(job), caller: job.context.caller, code, reason: message }, 'message refused');
    this.#answers.refuse(job.delivery, refusal);
  }

  #failed(job: Job, error: unknown): void {
    const { log } = this.#transport.environment;
    const { delivery, accepted, context } = job;
    const { envelope } = accepted;
    const fields = fieldsOf(job);
    if (context.cancelled) return this.#counts.count('cancelled', envelope);
    this.#counts.count('handler_errors', envelope, error instanceof RpcError ? error.code : 'unknown');
    // The application's own errors are answers; a caller who left, or ran out of time, is told nothing.
    if (error instanceof RpcError && isAwaited(envelope.kind))
      log.debug({ ...fields, code: error.code, reason: error.message }, 'request failed');
    else log.error({ ...fields, err: loggedError(error) }, 'handler failed');
    if (context.expired && error instanceof DeadlineExceeded) return;
    // Who casts listens for refusals only: the work was taken, and its failure is this side's.
    if (isAwaited(envelope.kind)) this.#answers.fail(delivery, error);
  }
}

/** The handler was not reached: the sender is told the error as this side's own. */
class Refused extends Error {
  readonly refusal: RpcError;

  constructor(refusal: RpcError) {
    super(refusal.message);
    this.refusal = refusal;
  }
}

const fieldsOf = ({ accepted: { envelope } }: Job) => ({
  topic: envelope.topic,
  namespace: envelope.namespace,
  method: envelope.method,
  requestId: envelope.requestId,
});
