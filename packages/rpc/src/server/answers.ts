import type { Attachment } from '../wire/attachments.ts';
import { Calls } from '../client/calls.ts';
import type { RpcError } from '../errors.ts';
import type { Delivery, Transport } from '../transport.ts';
import { answerText, errorText, handlerError, isReplyKey, ownError, toBytes } from '../wire/wire.ts';

type Asked = Pick<Delivery, 'replyTo' | 'correlationId'>;

/** What a server says back. Nothing is said to a sender that left no address. */
export class Answers {
  readonly #transport: Transport;
  readonly #stackLength: number;
  readonly #kept: boolean;

  /**
   * @param kept whether the bytes of answers are read again after they were sent
   * @param stackLength of the stacks that go with failures, at most; 0: none
   */
  constructor(transport: Transport, kept: boolean, stackLength: number) {
    this.#transport = transport;
    this.#kept = kept;
    this.#stackLength = stackLength;
  }

  /** `body` is JSON. Gives the bytes of the answer, if there was one to send. */
  answer(to: Asked, body: string, attachments: readonly Attachment[]): Buffer | undefined {
    return this.#send(to, answerText(body), attachments);
  }

  /** A refusal of this package's own making. */
  refuse(to: Asked, error: RpcError): void {
    this.#send(to, errorText(ownError(error)));
  }

  /** What was said before to another copy of the same request. */
  repeat({ replyTo, correlationId }: Asked, bytes: Buffer): void {
    if (isReplyKey(replyTo) && correlationId !== undefined) Calls.of(this.#transport).reply(replyTo, correlationId, bytes);
  }

  /** What a handler threw. Gives the bytes of the answer, if there was one to send. */
  fail(to: Asked, thrown: unknown): Buffer | undefined {
    return this.#send(to, failureText(thrown, this.#stackLength));
  }

  #send({ replyTo, correlationId }: Asked, text: string, attachments?: readonly Attachment[]): Buffer | undefined {
    if (!isReplyKey(replyTo) || correlationId === undefined) return undefined;
    let bytes: Buffer;
    try {
      bytes = toBytes(text, this.#transport.limits.maxMessageBytes, 'the answer', attachments);
    } catch (error) {
      bytes = Buffer.from(errorText(ownError(error as RpcError)));
    }
    Calls.of(this.#transport).reply(replyTo, correlationId, bytes, !this.#kept);
    return bytes;
  }
}

/** Details that JSON cannot carry must not hide the error itself. */
function failureText(error: unknown, stackLength: number): string {
  const wire = handlerError(error, stackLength);
  try {
    return errorText(wire);
  } catch {
    return errorText({ kind: wire.kind, code: wire.code, message: wire.message });
  }
}
