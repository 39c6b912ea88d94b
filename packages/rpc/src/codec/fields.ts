// What class-transformer's decorators say about a class, read once. Only the part of class-transformer that makes a
// wire contract is allowed: whatever else is found is refused by name, so that nothing is silently left out.
import 'reflect-metadata';
import storage from 'class-transformer/cjs/storage.js';
import { MalformedMessage } from '../errors.ts';
import type { Class } from '../contract/contract.ts';

const metadata = storage.defaultMetadataStorage;

/** What a value must look like, as far as the field's default value and `@Type` tell. */
export type Shape = 'any' | 'string' | 'number' | 'boolean' | 'array' | 'object' | 'bytes';

/** One field of a message class, as its decorators say. */
export interface Field {
  readonly name: string;
  readonly wireName: string;
  readonly since: number;
  /** First minor without it. */
  readonly until: number;
  readonly shape: Shape;
  /** The class's default value; undefined when it has none. */
  readonly initial: unknown;
  /** False when the class has no default value for it. */
  readonly optional: boolean;
  /** False when a null can only be a mistake. */
  readonly nullable: boolean;
  /** The class of the value, or of its elements. */
  readonly nested: Class<object> | undefined;
  /** A long value travels beside the JSON: bytes, and texts that are known to be some whatever compiled the class. */
  readonly beside: boolean;
}

const PRIMITIVES = new Map<unknown, Shape>([
  [String, 'string'],
  [Number, 'number'],
  [Boolean, 'boolean'],
  [Uint8Array, 'bytes'],
  [Buffer, 'bytes'],
]);

/** What JSON makes of these is something else, without a word. */
const NOT_JSON = new Map<unknown, string>([
  [Date, 'a Date cannot cross the wire: times travel as ISO text'],
  [Map, 'a Map cannot cross the wire: take a record, or a list'],
  [Set, 'a Set cannot cross the wire: take a list'],
  [RegExp, 'a RegExp cannot cross the wire: take its text'],
  [BigInt, 'a bigint cannot cross the wire: take its text'],
]);

/** @throws TypeError when the class uses what a wire object cannot; ReferenceError when it names a class that is not there yet. */
export function fieldsOf(type: Class<object>): readonly Field[] {
  if (metadata.getStrategy(type) !== 'excludeAll') {
    throw new TypeError(`class ${type.name} cannot cross the wire: put @Exclude() on the class and @Expose() on each field that travels`);
  }
  const sample = new type() as Record<string, unknown>;
  return metadata.getExposedMetadatas(type).map(({ propertyName = '', options }) => {
    const where = `${type.name}.${propertyName}`;
    if (options.groups !== undefined || options.toClassOnly === true || options.toPlainOnly === true) {
      throw new TypeError(`${where}: @Expose takes since, until and name here`);
    }
    for (const [version, name] of [
      [options.since, 'since'],
      [options.until, 'until'],
    ] as const) {
      if (version !== undefined && !Number.isInteger(version)) {
        throw new TypeError(`${where}: ${name} must be the minor version as a whole number, got ${version}`);
      }
    }
    const direction = 0; // PLAIN_TO_CLASS
    if (metadata.findTransformMetadatas(type, propertyName, direction).length > 0)
      throw new TypeError(`${where}: @Transform cannot be compiled`);
    return {
      name: propertyName,
      wireName: options.name ?? propertyName,
      since: options.since ?? 0,
      until: options.until ?? Number.POSITIVE_INFINITY,
      ...valueOf(type, propertyName, sample[propertyName] as object | null | undefined),
    };
  });
}

function valueOf(
  type: Class<object>,
  name: string,
  initial: object | null | undefined,
): Pick<Field, 'initial' | 'shape' | 'optional' | 'nullable' | 'nested' | 'beside'> {
  const where = `${type.name}.${name}`;
  const refusal = NOT_JSON.get(initial?.constructor);
  if (refusal !== undefined) throw new TypeError(`${where}: ${refusal}`);
  const optional = initial !== undefined;
  const declared = metadata.findTypeMetadata(type, name);
  // A nested object was declared to be one; of a plain field without a default nobody knows whether it may be null.
  const nullable = initial === null || (initial === undefined && declared === undefined);
  if (declared === undefined) {
    const own = shapeOf(initial, where);
    const shape = own ?? emittedShape(type, name);
    return { initial, shape, optional, nullable, nested: undefined, beside: own === 'string' || shape === 'bytes' };
  }
  if (declared.options?.discriminator !== undefined) throw new TypeError(`${where}: @Type with a discriminator cannot be compiled`);
  const nested = declared.typeFunction({ newObject: {}, object: {}, property: name }) as Class<object> | undefined;
  if (nested === undefined) throw new ReferenceError(`${where}: @Type names a class that is not there`);
  const primitive = PRIMITIVES.get(nested);
  if (primitive !== undefined) {
    const shape = Array.isArray(initial) ? 'array' : primitive;
    return { initial, shape, optional, nullable, nested: undefined, beside: shape === 'string' || shape === 'bytes' };
  }
  if (typeof nested !== 'function' || (nested as unknown) === Date) {
    throw new TypeError(`${where}: @Type must name a message class, String, Number, Boolean or Uint8Array; times travel as ISO text`);
  }
  return { initial, shape: Array.isArray(initial) ? 'array' : 'any', optional, nullable, nested, beside: false };
}

function shapeOf(initial: unknown, where: string): Shape | undefined {
  if (initial === undefined || initial === null) return undefined;
  if (Array.isArray(initial)) return 'array';
  const kind = kindOf(initial);
  if (kind === 'string' || kind === 'number' || kind === 'boolean' || kind === 'bytes') return kind;
  if (typeof initial !== 'object') throw new TypeError(`${where}: a ${kind} cannot cross the wire`);
  const prototype: unknown = Object.getPrototypeOf(initial);
  if (prototype === Object.prototype || prototype === null) return 'object';
  const made = initial.constructor.name;
  throw new TypeError(`${where}: its default is a ${made}: put @Type(() => ${made}) on the field`);
}

/** What the compiler noted (`emitDecoratorMetadata`): something for plain types, Object for unions, nothing if it is off. */
function emittedShape(type: Class<object>, name: string): Shape {
  const emitted: unknown = Reflect.getMetadata('design:type', type.prototype as object, name);
  const refusal = NOT_JSON.get(emitted);
  if (refusal !== undefined) throw new TypeError(`${type.name}.${name}: ${refusal}`);
  return emitted === Array ? 'array' : (PRIMITIVES.get(emitted) ?? 'any');
}

export function kindOf(value: unknown): string {
  if (typeof value !== 'object') return typeof value;
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  if (value instanceof Uint8Array) return 'bytes';
  return value instanceof Map || value instanceof Set || value instanceof Date ? value.constructor.name : 'object';
}

/** A field's value is not what its class states. */
export const malformed = (path: string, expected: string, value: unknown) =>
  new MalformedMessage(`${path}: expected ${expected}, got ${foundIn(value)}`, { path, expected });

/** NaN and the infinities are numbers that JSON has not. */
const foundIn = (value: unknown): string => {
  if (value === undefined) return 'nothing';
  return typeof value === 'number' && !Number.isFinite(value) ? String(value) : kindOf(value);
};

/** The same error, with what it was found in: a path begins with a class, which many methods may have. */
export const malformedIn = (what: string, error: unknown): unknown =>
  error instanceof MalformedMessage ? new MalformedMessage(`${what}: ${error.message}`, error.details, { cause: error }) : error;

/** What `work` gives. @throws MalformedMessage that names the method too */
export function checkedIn<T>(what: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw malformedIn(what, error);
  }
}
