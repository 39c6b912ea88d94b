// Long texts and binary values travel beside the JSON of their message, as they are: looking through 64 KB for what JSON
// must escape, and again for what it has escaped, costs more than all else that is done for a message.
//
//   an object's JSON, which begins with "{"                                      nothing beside it
//   01, length of the JSON (4 bytes), JSON, and for each attachment: length (4 bytes), bytes    (big endian; texts in UTF-8)
//
// In the JSON an attachment's number, counted from 0, stands in its place. No field can mean both a number and a text, so
// a number where the class says text, or bytes, is nothing else.
import { MalformedMessage } from '../errors.ts';
import { giveBack, lend } from './lent-memory.ts';

/** A value that travels beside the JSON of a message. */
export type Attachment = string | Uint8Array;

const PACKED = 1;
const LENGTH_BYTES = 4;
const HEAD_BYTES = 1 + LENGTH_BYTES;
/** Shorter texts stay in the JSON: it is faster there. In UTF-16 units. */
const LONG_TEXT = 1_024;
const encoder = new TextEncoder();

/** Whether a text goes beside the JSON. Half a surrogate pair has no UTF-8, only a JSON escape. */
export const isLong = (text: string): boolean =>
  text.length >= LONG_TEXT && (text as unknown as { isWellFormed(): boolean }).isWellFormed(); // in Node since 20, in lib since es2024

export function pack(json: string, attachments: readonly Attachment[]): Buffer {
  if (attachments.length === 0) return Buffer.from(json, 'utf8');
  // Most texts are ASCII, which takes a byte for each letter; whether they are is known when they have been written.
  return written(json, attachments, ({ length }) => length) ?? (written(json, attachments, (part) => Buffer.byteLength(part)) as Buffer);
}

/** Undefined when a text has not fitted into the size that it was given. */
function written(json: string, attachments: readonly Attachment[], sizeOf: (part: Attachment) => number): Buffer | undefined {
  const size = attachments.reduce((sum, part) => sum + LENGTH_BYTES + sizeOf(part), HEAD_BYTES + sizeOf(json));
  const into = lend(size);
  into[0] = PACKED;
  let at = 1;
  for (const part of [json, ...attachments]) {
    const bytes = sizeOf(part);
    at = into.writeUInt32BE(bytes, at);
    const place = into.subarray(at, at + bytes);
    if (typeof part !== 'string') place.set(part);
    else if (encoder.encodeInto(part, place).read !== part.length) {
      giveBack(into);
      return undefined;
    }
    at += bytes;
  }
  return into;
}

/** @throws MalformedMessage when the lengths do not add up */
export function unpack(bytes: Buffer): { readonly json: Buffer; readonly attachments: readonly Buffer[] } {
  if (bytes[0] !== PACKED) return { json: bytes, attachments: NONE };
  const parts: Buffer[] = [];
  for (let at = 1; at < bytes.length;) {
    const from = at + LENGTH_BYTES;
    const end = from <= bytes.length ? from + bytes.readUInt32BE(at) : Number.POSITIVE_INFINITY;
    if (end > bytes.length) throw new MalformedMessage('the message ends before its attachments do', { path: '' });
    parts.push(bytes.subarray(from, end));
    at = end;
  }
  const [json, ...attachments] = parts;
  if (json === undefined) throw new MalformedMessage('the message ends before its attachments do', { path: '' });
  return { json, attachments };
}

/** For people: the JSON, and each attachment as text under its number. What cannot be taken apart is shown as it is. */
export function readable(bytes: Buffer): string {
  try {
    const { json, attachments } = unpack(bytes);
    return [json, ...attachments.map((part, index) => `attachment ${index}: ${part.toString('utf8')}`)].join('\n');
  } catch {
    return bytes.toString('utf8');
  }
}

const NONE: readonly Buffer[] = [];
