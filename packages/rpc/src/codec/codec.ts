import type { Class } from '../contract.ts';
import { MalformedMessage } from '../errors.ts';
import { shapeOf, type Shaped } from './shape.ts';
import { fieldsOf, kindOf, malformed, type Field } from './fields.ts';

/** @throws MalformedMessage when the value lacks a field or has a wrong one; the message names the path. */
export type Encoder<T> = (value: T) => Record<string, unknown>;
/** @throws MalformedMessage when the plain value is not of the class's form; the message names the path. */
export type Decoder<T> = (plain: unknown) => T;

interface Codec {
  encode(value: unknown, path: string): Record<string, unknown>;
  decode(plain: unknown, path: string): object;
}

const compiled = new WeakMap<Class<object>, Map<number, Codec>>();

/**
 * The form of `type` at a minor version, as a plain value for JSON: what class-transformer's
 * `instanceToPlain(value, { version: minor })` gives, compiled once. Fields without `@Type` pass as they are.
 * A field without a default value must be there; one whose default is null may be null.
 *
 * @throws TypeError when the class uses decorators that have no meaning on the wire.
 */
export function encoderFor<T extends object>(type: Class<T>, minor: number): Encoder<T> {
  const codec = codecFor(type, minor);
  return (value) => codec.encode(value, type.name);
}

/**
 * The reverse: `plainToInstance(plain, { version: minor, exposeDefaultValues: true })` after a check of the shape.
 * Unknown fields are ignored, absent ones with a default get it.
 */
export function decoderFor<T extends object>(type: Class<T>, minor: number): Decoder<T> {
  const codec = codecFor(type, minor);
  return (plain) => codec.decode(plain, type.name) as T;
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

  const encodeNested = (field: Compiled, value: unknown, path: string): unknown => {
    if (value === null) return null;
    const codec = nestedCodec(field);
    if (!Array.isArray(value)) return codec.encode(value, path);
    return value.map((element: unknown, index) => codec.encode(element, `${path}[${index}]`));
  };
  const decodeNested = (field: Compiled, value: unknown, path: string): unknown => {
    if (value === null) return null;
    const codec = nestedCodec(field);
    if (!Array.isArray(value)) return codec.decode(value, path);
    return value.map((element: unknown, index) => codec.decode(element, `${path}[${index}]`));
  };

  return {
    encode(value, path) {
      if (typeof value !== 'object' || value === null) throw malformed(path, 'an object', value);
      const source = value as Record<string, unknown>;
      const plain: Record<string, unknown> = {};
      for (const field of fields) {
        const part = source[field.name];
        if (part === undefined && field.optional) continue; // the reader's class has the default
        check(field, part, path);
        plain[field.wireName] = field.nested === undefined ? part : encodeNested(field, part, `${path}.${field.name}`);
      }
      return plain;
    },
    decode(plain, path) {
      if (typeof plain !== 'object' || plain === null || Array.isArray(plain)) throw malformed(path, 'an object', plain);
      const source = plain as Record<string, unknown>;
      const value = new type() as Record<string, unknown>;
      for (const field of fields) {
        const part = Object.hasOwn(source, field.wireName) ? source[field.wireName] : undefined;
        if (part === undefined && field.optional) continue;
        check(field, part, path);
        value[field.name] = field.nested === undefined ? part : decodeNested(field, part, `${path}.${field.wireName}`);
      }
      return value;
    },
  };
}

function check(field: Field, value: unknown, path: string): void {
  if (value === undefined) throw malformed(`${path}.${field.name}`, expected(field, 'a value'), value);
  if (value === null) {
    if (field.nullable) return;
    throw malformed(`${path}.${field.name}`, expected(field, 'an object'), value);
  }
  if (field.shape !== 'any' && kindOf(value) !== field.shape) throw malformed(`${path}.${field.name}`, field.shape, value);
}

const expected = (field: Field, otherwise: string) => (field.shape === 'any' ? otherwise : field.shape);

/** JSON that is an object. @throws MalformedMessage */
export function parseObject(json: Buffer | string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(typeof json === 'string' ? json : json.toString('utf8'));
  } catch (cause) {
    throw new MalformedMessage('the message is not JSON', { path: '' }, { cause });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed('message', 'an object', value);
  return value as Record<string, unknown>;
}
