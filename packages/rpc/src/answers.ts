import type { Attachment } from './attachments.ts';
import { Calls } from './calls.ts';
import type { RpcError } from './errors.ts';
import type { Delivery, Transport } from './transport.ts';
import { answerText, errorText, handlerError, isReplyKey, ownError, toBytes } from './wire.ts';

type Asked = Pick<Delivery, 'replyTo' | 'correlationId'>;

/** What a server says back. Nothing is said to a sender that left no address. */
export class Answers {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  answer(to: Asked, body: unknown, attachments: readonly Attachment[]): void {
    this.#send(to, answerText(body), attachments);
  }

  /** A refusal of this package's own making. */
  refuse(to: Asked, error: RpcError): void {
    this.#send(to, errorText(ownError(error)));
  }

  /** What a handler threw. */
  fail(to: Asked, thrown: unknown): void {
    this.#send(to, failureText(thrown));
  }

  #send({ replyTo, correlationId }: Asked, text: string, attachments?: readonly Attachment[]): void {
    if (!isReplyKey(replyTo) || correlationId === undefined) return;
    let bytes: Buffer;
    try {
      bytes = toBytes(text, this.#transport.limits.maxMessageBytes, 'the answer', attachments);
    } catch (error) {
      bytes = Buffer.from(errorText(ownError(error as RpcError)));
    }
    Calls.of(this.#transport).reply(replyTo, correlationId, bytes, true);
  }
}

/** Details that JSON cannot carry must not hide the error itself. */
function failureText(error: unknown): string {
  const wire = handlerError(error);
  try {
    return errorText(wire);
  } catch {
    return errorText({ kind: wire.kind, code: wire.code, message: wire.message });
  }
}
