import type { ConsumeMessage, ConsumeMessageFields, MessageProperties } from 'amqplib';
import { lend } from '../wire/lent-memory.ts';
import { FRAME_HEAD_BYTES } from './publish-frames.ts';

const BASIC_DELIVER = ((60 << 16) | 60) >>> 0;
const WORD = 2 ** 32;
const NOTHING = Buffer.alloc(0);

// The order of the properties in a header frame is that of their bits, from the top.
const CONTENT_TYPE = 1 << 15;
const CONTENT_ENCODING = 1 << 14;
const HEADERS = 1 << 13;
const DELIVERY_MODE = 1 << 12;
const PRIORITY = 1 << 11;
const CORRELATION_ID = 1 << 10;
const REPLY_TO = 1 << 9;
const EXPIRATION = 1 << 8;
const MESSAGE_ID = 1 << 7;
const TIMESTAMP = 1 << 6;
const TYPE = 1 << 5;
const USER_ID = 1 << 4;

export const isDelivery = (bytes: Buffer, payload: number): boolean => bytes.readUInt32BE(payload) === BASIC_DELIVER;

/** amqplib's way to read one whole frame: the values of a method, or the properties of a header. */
type Decode = (frame: Buffer) => { readonly fields: unknown };

/**
 * A delivery as amqplib gives it to a consumer. What every receiver looks at is read while the frames come, and stands
 * beside; `fields` and `properties` are read when somebody asks for them.
 */
export class ArrivedMessage implements ConsumeMessage {
  content: Buffer = NOTHING;
  readonly deliveryTag: number;
  readonly redelivered: boolean;
  correlationId: string | undefined;
  replyTo: string | undefined;
  expiration: string | undefined;
  userId: string | undefined;
  readonly #decode: Decode;
  readonly #deliver: Buffer;
  #header: Buffer = NOTHING;
  #fields: ConsumeMessageFields | undefined;
  #properties: MessageProperties | undefined;
  /** Bytes of the body that are still to come; -1 before its size is known. */
  #left = -1;

  /** @param deliver the whole frame of its method */
  constructor(deliver: Buffer, decode: Decode) {
    this.#deliver = deliver;
    this.#decode = decode;
    const consumerTag = FRAME_HEAD_BYTES + 4;
    const at = consumerTag + 1 + (deliver[consumerTag] as number);
    this.deliveryTag = deliver.readUInt32BE(at) * WORD + deliver.readUInt32BE(at + 4);
    this.redelivered = ((deliver[at + 8] as number) & 1) === 1;
  }

  get fields(): ConsumeMessageFields {
    return (this.#fields ??= this.#decode(this.#deliver).fields as ConsumeMessageFields);
  }

  get properties(): MessageProperties {
    return (this.#properties ??= this.#decode(this.#header).fields as MessageProperties);
  }

  get complete(): boolean {
    return this.#left === 0;
  }

  /** @param header the whole frame */
  begin(header: Buffer): void {
    this.#header = header;
    let at = FRAME_HEAD_BYTES + 4;
    this.#left = header.readUInt32BE(at) * WORD + header.readUInt32BE(at + 4);
    const flags = header.readUInt16BE(at + 8);
    at += 10;
    const short = () => {
      const from = at + 1;
      at = from + (header[at] as number);
      return from === at ? '' : header.toString('utf8', from, at);
    };
    const skipShort = () => {
      at += 1 + (header[at] as number);
    };
    if (flags & CONTENT_TYPE) skipShort();
    if (flags & CONTENT_ENCODING) skipShort();
    if (flags & HEADERS) at += 4 + header.readUInt32BE(at);
    if (flags & DELIVERY_MODE) at++;
    if (flags & PRIORITY) at++;
    if (flags & CORRELATION_ID) this.correlationId = short();
    if (flags & REPLY_TO) this.replyTo = short();
    if (flags & EXPIRATION) this.expiration = short();
    if (flags & MESSAGE_ID) skipShort();
    if (flags & TIMESTAMP) at += 8;
    if (flags & TYPE) skipShort();
    if (flags & USER_ID) this.userId = short();
  }

  /** A part of the body, in order. @throws Error when it is more than was announced */
  add(part: Buffer): void {
    if (part.length > this.#left) throw new Error(`more of a message than announced: ${part.length - this.#left} bytes`);
    if (this.content.length === 0 && part.length === this.#left) {
      this.content = part; // all of it, where it lies
    } else {
      if (this.content.length === 0) this.content = lend(this.#left);
      this.content.set(part, this.content.length - this.#left);
    }
    this.#left -= part.length;
  }
}
