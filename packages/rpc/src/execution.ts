import type { Answers } from './answers.ts';
import { encoderFor } from './codec/codec.ts';
import { DeadlineExceeded, NotAuthorized, RpcError } from './errors.ts';
import type { Job } from './job.ts';
import type { ServerCounts } from './server-counts.ts';
import type { ServeOptions } from './server.ts';
import { ReaderLeft, sendStream } from './stream-sender.ts';
import type { Transport } from './transport.ts';
import { isAwaited } from './wire.ts';

/** Runs one job: asks whether its sender may, calls the handler, answers, acknowledges. */
export class Execution {
  readonly #transport: Transport;
  readonly #answers: Answers;
  readonly #counts: ServerCounts;
  readonly #authorize: ServeOptions['authorize'];

  constructor(transport: Transport, answers: Answers, counts: ServerCounts, authorize: ServeOptions['authorize']) {
    this.#transport = transport;
    this.#answers = answers;
    this.#counts = counts;
    this.#authorize = authorize;
  }

  /** Never rejects: whatever the handler does ends as an answer or in the log. */
  async run(job: Job): Promise<void> {
    const { clock } = this.#transport.environment;
    const { method } = job.accepted.envelope;
    const start = clock.monotonic();
    try {
      if (job.context.cancelled) this.#counts.count('cancelled', method);
      else if (job.context.expired) this.#counts.count('expired', method);
      else await this.#handle(job);
    } finally {
      job.context.end();
      job.endBeats?.();
      job.delivery.ack();
      this.#counts.handled(method, clock.monotonic() - start);
    }
  }

  async #handle(job: Job): Promise<void> {
    const { delivery, accepted, context, handler } = job;
    const { envelope, method, request, minor } = accepted;
    try {
      if (this.#authorize !== undefined) {
        const refusal = await this.#refusal(this.#authorize, job);
        if (refusal !== undefined) {
          this.#counts.count('refused', envelope.method, refusal.code);
          return this.#answers.refuse(delivery, refusal);
        }
      }
      this.#counts.count('handled', envelope.method);
      const result = handler(context, request);
      if (method.kind === 'stream') {
        const target = { replyTo: delivery.replyTo ?? '', correlationId: delivery.correlationId ?? '', signal: context.signal };
        await sendStream(
          this.#transport,
          target,
          result as AsyncIterable<readonly object[]>,
          encoderFor<object>(method.item, minor) as (item: unknown) => unknown,
        );
        return;
      }
      const answer = await result;
      if (method.kind === 'call' && !context.expired && !context.cancelled)
        this.#answers.answer(delivery, encoderFor<object>(method.response, minor)(answer as object));
    } catch (error) {
      if (!(error instanceof ReaderLeft)) this.#failed(job, error);
    }
  }

  #failed({ delivery, accepted: { envelope }, context }: Job, error: unknown): void {
    const { log } = this.#transport.environment;
    const fields = { topic: envelope.topic, method: envelope.method, requestId: envelope.requestId };
    if (context.cancelled) return this.#counts.count('cancelled', envelope.method);
    this.#counts.count('handler_errors', envelope.method, error instanceof RpcError ? error.code : 'unknown');
    // The application's own errors are answers; a caller who left, or ran out of time, is told nothing.
    if (error instanceof RpcError && isAwaited(envelope.kind))
      log.debug({ ...fields, code: error.code, reason: error.message }, 'request failed');
    else log.error({ ...fields, err: error }, 'handler failed');
    if (context.expired && error instanceof DeadlineExceeded) return;
    // Who casts listens for refusals only: the work was taken, and its failure is this side's.
    if (isAwaited(envelope.kind)) this.#answers.fail(delivery, error);
  }

  async #refusal(authorize: NonNullable<ServeOptions['authorize']>, { context }: Job): Promise<RpcError | undefined> {
    try {
      await authorize(context.method, context);
      return undefined;
    } catch (error) {
      if (error instanceof RpcError) return error;
      return new NotAuthorized(error instanceof Error ? error.message : 'not authorized', { method: context.method });
    }
  }
}
