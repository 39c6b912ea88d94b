import { isLong, type Attachment } from '../wire/attachments.ts';
import type { Class } from '../contract/contract.ts';
import { MalformedMessage } from '../errors.ts';
import { shapeOf, type Shaped } from './shape.ts';
import { fieldsOf, kindOf, malformed, type Field } from './fields.ts';

/** @throws MalformedMessage when the value lacks a field or has a wrong one; the message names the path. */
export type Encoder<T> = (value: T, attachments?: Attachment[]) => Record<string, unknown>;
/** @throws MalformedMessage when the plain value is not of the class's form; the message names the path. */
export type Decoder<T> = (plain: unknown, attachments?: readonly Buffer[]) => T;

/** What came beside the plain value, and how much of it has found its field. */
interface Beside {
  readonly attachments: readonly Buffer[];
  taken: number;
}

interface Codec {
  encode(value: unknown, path: string, attachments: Attachment[] | undefined): Record<string, unknown>;
  decode(plain: unknown, path: string, beside: Beside | undefined): object;
}

const compiled = new WeakMap<Class<object>, Map<number, Codec>>();

/**
 * The form of `type` at a minor version, as a plain value for JSON: what class-transformer's
 * `instanceToPlain(value, { version: minor })` gives, compiled once. Fields without `@Type` pass as they are.
 * A field without a default value must be there; one whose default is null may be null.
 *
 * Given a list, long texts and bytes are put there, and their place in it into the plain value; without one, bytes are
 * base64. A text goes beside where the class says by `@Type(() => String)`, or a default value, that it is one: what the
 * compiler may note about types is not the same for every peer.
 *
 * @throws TypeError when the class uses decorators that have no meaning on the wire.
 */
export function encoderFor<T extends object>(type: Class<T>, minor: number): Encoder<T> {
  const codec = codecFor(type, minor);
  return (value, attachments) => codec.encode(value, type.name, attachments);
}

/**
 * The reverse: `plainToInstance(plain, { version: minor, exposeDefaultValues: true })` after a check of the shape.
 * Unknown fields are ignored, absent ones with a default get it.
 */
export function decoderFor<T extends object>(type: Class<T>, minor: number): Decoder<T> {
  const codec = codecFor(type, minor);
  return (plain, attachments) => {
    if (attachments === undefined || attachments.length === 0) return codec.decode(plain, type.name, undefined) as T;
    const beside = { attachments, taken: 0 };
    const value = codec.decode(plain, type.name, beside);
    if (beside.taken !== attachments.length) throw unclaimed(type.name, beside);
    return value as T;
  };
}

function codecFor(type: Class<object>, minor: number): Codec {
  let byMinor = compiled.get(type);
  if (byMinor === undefined) compiled.set(type, (byMinor = new Map()));
  let codec = byMinor.get(minor);
  if (codec === undefined) byMinor.set(minor, (codec = codecOf(type, minor)));
  return codec;
}

function codecOf(type: Class<object>, minor: number): Codec {
  const shaped = shapeOf(type);
  return shaped === undefined ? compile(type, minor) : plainCodec(shaped);
}

/** The same in every version and in both directions. */
function plainCodec({ expected, fits }: Shaped): Codec {
  const pass = (value: unknown, path: string) => {
    if (!fits(value)) throw malformed(path, expected, value);
    return value as Record<string, unknown>;
  };
  return { encode: pass, decode: pass };
}

/** `nested` is looked up at the first use: classes may contain each other. */
interface Compiled extends Field {
  codec: Codec | undefined;
}

function compile(type: Class<object>, minor: number): Codec {
  const fields: Compiled[] = fieldsOf(type)
    .filter((field) => minor >= field.since && minor < field.until)
    .map((field) => ({ ...field, codec: undefined }));
  const nestedCodec = (field: Compiled): Codec => (field.codec ??= codecFor(field.nested as Class<object>, minor));

  const encodeNested = (field: Compiled, value: unknown, path: string, attachments: Attachment[] | undefined): unknown => {
    if (value === null) return null;
    const codec = nestedCodec(field);
    if (!Array.isArray(value)) return codec.encode(value, path, attachments);
    return value.map((element: unknown, index) => codec.encode(element, `${path}[${index}]`, attachments));
  };
  const decodeNested = (field: Compiled, value: unknown, path: string, beside: Beside | undefined): unknown => {
    if (value === null) return null;
    const codec = nestedCodec(field);
    if (!Array.isArray(value)) return codec.decode(value, path, beside);
    return value.map((element: unknown, index) => codec.decode(element, `${path}[${index}]`, beside));
  };

  return {
    encode(value, path, attachments) {
      if (typeof value !== 'object' || value === null) throw malformed(path, 'an object', value);
      const source = value as Record<string, unknown>;
      const plain: Record<string, unknown> = {};
      for (const field of fields) {
        const part = source[field.name];
        if (part === undefined && field.optional) continue; // the reader's class has the default
        check(field, part, path);
        plain[field.wireName] =
          field.nested !== undefined
            ? encodeNested(field, part, `${path}.${field.name}`, attachments)
            : field.beside
              ? putBeside(part, attachments)
              : part;
      }
      return plain;
    },
    decode(plain, path, beside) {
      if (typeof plain !== 'object' || plain === null || Array.isArray(plain)) throw malformed(path, 'an object', plain);
      const source = plain as Record<string, unknown>;
      const value = new type() as Record<string, unknown>;
      for (const field of fields) {
        const sent = Object.hasOwn(source, field.wireName) ? source[field.wireName] : undefined;
        if (sent === undefined && field.optional) continue;
        const part = field.beside ? takeBeside(field, sent, beside) : sent;
        check(field, part, path);
        value[field.name] = field.nested === undefined ? part : decodeNested(field, part, `${path}.${field.wireName}`, beside);
      }
      return value;
    },
  };
}

/** A long text's, or bytes', place in the list; all else as it is. */
export function putBeside(part: unknown, attachments: Attachment[] | undefined): unknown {
  if (typeof part === 'string') return attachments !== undefined && isLong(part) ? attachments.push(part) - 1 : part;
  if (!(part instanceof Uint8Array)) return part;
  if (attachments !== undefined) return attachments.push(part) - 1;
  return Buffer.from(part.buffer, part.byteOffset, part.byteLength).toString('base64');
}

/** The reverse. Bytes are a copy, for the message's memory is used again. */
function takeBeside({ shape }: Field, part: unknown, beside: Beside | undefined): unknown {
  if (typeof part === 'number') {
    const attachment = beside?.attachments[part];
    if (beside === undefined || attachment === undefined) return part;
    beside.taken++;
    return shape === 'bytes' ? Buffer.from(attachment) : attachment.toString('utf8');
  }
  return shape === 'bytes' && typeof part === 'string' ? Buffer.from(part, 'base64') : part;
}

/** The sender's class has a text, or bytes, where this one has something else: what came in its place is no value. */
const unclaimed = (path: string, { attachments, taken }: Beside) =>
  new MalformedMessage(`${path}: ${attachments.length} attachments came, ${taken} fields take one: its sender has another class`, {
    path,
    expected: `${taken} attachments`,
  });

export function check(field: Field, value: unknown, path: string): void {
  if (value === undefined) throw malformed(`${path}.${field.name}`, expected(field, 'a value'), value);
  if (value === null) {
    if (field.nullable) return;
    throw malformed(`${path}.${field.name}`, expected(field, 'an object'), value);
  }
  if (isLost(value) || (field.shape !== 'any' && kindOf(value) !== field.shape))
    throw malformed(`${path}.${field.name}`, expected(field, 'what JSON can carry'), value);
}

/** JSON would make null, or {}, of it. */
const isLost = (value: unknown) =>
  typeof value === 'number' ? !Number.isFinite(value) : typeof value === 'object' && (value instanceof Map || value instanceof Set);

const expected = (field: Field, otherwise: string) => (field.shape === 'any' ? otherwise : field.shape);

/** JSON that is an object. @throws MalformedMessage */
export function parseObject(json: Buffer | string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(typeof json === 'string' ? json : json.toString('utf8'));
  } catch {
    // The parser's own words quote the message.
    throw new MalformedMessage('the message is not JSON', { path: '' });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed('message', 'an object', value);
  return value as Record<string, unknown>;
}
