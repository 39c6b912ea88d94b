// The frames of one published message, as AMQP 0-9-1 lays them out (sections 2.3.5 and 4.2.6 of the specification).

/** What this package puts on its messages; a message with more goes the way of amqplib. */
export interface PlainProperties {
  readonly contentType: string;
  readonly persistent: boolean;
  readonly correlationId: string | undefined;
  readonly replyTo: string | undefined;
  /** Milliseconds. */
  readonly expiration: number | undefined;
  readonly messageId: string | undefined;
  readonly userId: string;
}

const METHOD = 1;
const HEADER = 2;
const BODY = 3;
const FRAME_END = 0xce;
const BASIC = 60;
const PUBLISH = 40;
const MANDATORY = 1;

const CONTENT_TYPE = 1 << 15;
const DELIVERY_MODE = 1 << 12;
const CORRELATION_ID = 1 << 10;
const REPLY_TO = 1 << 9;
const EXPIRATION = 1 << 8;
const MESSAGE_ID = 1 << 7;
const USER_ID = 1 << 4;

const LONGEST_SHORT_STRING = 255;
/** Type, channel and size before a frame's payload. */
export const FRAME_HEAD_BYTES = 7;
/** With the octet that ends it. */
export const FRAME_BYTES = FRAME_HEAD_BYTES + 1;
/** What method and header take without their texts, but with an expiration, at most. */
const BARE_HEAD_BYTES = 128;
/** A character of UTF-16 takes so many bytes in UTF-8, at most. */
const CHARACTER_BYTES = 3;

/** Room for method and header of a message, in bytes: at least what they take. */
export function headRoom(to: { readonly exchange: string; readonly key: string }, properties: PlainProperties): number {
  const { contentType, correlationId = '', replyTo = '', messageId = '', userId } = properties;
  const named = to.exchange.length + to.key.length + contentType.length + userId.length;
  return BARE_HEAD_BYTES + CHARACTER_BYTES * (named + correlationId.length + replyTo.length + messageId.length);
}

/** Writes all but the body's frames; gives where they begin. There must be `headRoom`. @throws TypeError for a text above 255 bytes */
export function writeHead(
  into: Buffer,
  at: number,
  channel: number,
  to: { readonly exchange: string; readonly key: string; readonly mandatory: boolean },
  properties: PlainProperties,
  bodyBytes: number,
): number {
  let next = at + FRAME_HEAD_BYTES;
  next = into.writeUInt16BE(BASIC, next);
  next = into.writeUInt16BE(PUBLISH, next);
  next = into.writeUInt16BE(0, next); // reserved
  next = shortString(into, next, to.exchange, 'exchange');
  next = shortString(into, next, to.key, 'routing key');
  into[next++] = to.mandatory ? MANDATORY : 0;
  next = frame(into, at, METHOD, channel, next);

  const header = next;
  next = into.writeUInt16BE(BASIC, header + FRAME_HEAD_BYTES);
  next = into.writeUInt16BE(0, next); // weight
  next = into.writeUInt32BE(0, next);
  next = into.writeUInt32BE(bodyBytes, next);
  next = writeProperties(into, next, properties);
  return frame(into, header, HEADER, channel, next);
}

function writeProperties(into: Buffer, at: number, properties: PlainProperties): number {
  const { contentType, persistent, correlationId, replyTo, expiration, messageId, userId } = properties;
  let flags = CONTENT_TYPE | USER_ID;
  let next = shortString(into, at + 2, contentType, 'content type');
  if (persistent) {
    flags |= DELIVERY_MODE;
    into[next++] = 2;
  }
  if (correlationId !== undefined) {
    flags |= CORRELATION_ID;
    next = shortString(into, next, correlationId, 'correlation id');
  }
  if (replyTo !== undefined) {
    flags |= REPLY_TO;
    next = shortString(into, next, replyTo, 'reply key');
  }
  if (expiration !== undefined) {
    flags |= EXPIRATION;
    next = shortString(into, next, String(expiration), 'expiration');
  }
  if (messageId !== undefined) {
    flags |= MESSAGE_ID;
    next = shortString(into, next, messageId, 'message id');
  }
  next = shortString(into, next, userId, 'user id');
  into.writeUInt16BE(flags, at);
  return next;
}

/** Begins a body frame at `at`; its payload and one octet `frameEnd` follow. */
export function writeBodyHead(into: Buffer, at: number, channel: number, bytes: number): number {
  into[at] = BODY;
  into.writeUInt16BE(channel, at + 1);
  return into.writeUInt32BE(bytes, at + 3);
}

export const frameEnd = Buffer.of(FRAME_END);

/** Closes the frame that began at `from` and whose payload ends at `end`. */
function frame(into: Buffer, from: number, type: number, channel: number, end: number): number {
  into[from] = type;
  into.writeUInt16BE(channel, from + 1);
  into.writeUInt32BE(end - from - FRAME_HEAD_BYTES, from + 3);
  into[end] = FRAME_END;
  return end + 1;
}

function shortString(into: Buffer, at: number, text: string, what: string): number {
  const bytes = text.length > LONGEST_SHORT_STRING ? text.length : into.write(text, at + 1);
  if (bytes > LONGEST_SHORT_STRING) throw new TypeError(`${what}: expected at most 255 bytes, got ${bytes}`);
  into[at] = bytes;
  return at + 1 + bytes;
}
