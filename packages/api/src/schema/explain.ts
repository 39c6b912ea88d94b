import { formats, formatTexts } from './formats.ts';
import { pythonRepr, pythonText } from './python-text.ts';

/**
 * Why a value does not fit its schema, in the words of Python's jsonschema as the Compute API tells them. Only asked
 * after the compiled check has refused. Keywords are tried in the order in which the schema writes them, depth first,
 * and the first failure counts, as there.
 */
export interface Failure {
  readonly path: readonly (string | number)[];
  readonly value: unknown;
  readonly message: string;
  /** Told alone, without place and value. */
  readonly alone: boolean;
}

export type Schema = Readonly<Record<string, unknown>>;
type Path = readonly (string | number)[];
type Keyword = (limit: unknown, value: unknown, schema: Schema, path: Path) => Failure | undefined;

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const own = (value: object, key: string) => Object.hasOwn(value, key);

const typeTests: Readonly<Record<string, (value: unknown) => boolean>> = {
  object: isObject,
  array: Array.isArray,
  string: (value) => typeof value === 'string',
  number: (value) => typeof value === 'number',
  integer: (value) => typeof value === 'number' && Number.isInteger(value),
  boolean: (value) => typeof value === 'boolean',
  null: (value) => value === null,
};

const same = (one: unknown, other: unknown): boolean => one === other || pythonRepr(one) === pythonRepr(other);
const length = (text: string) => [...text].length;

/** A keyword that tests a value of one kind and says one sentence. */
const simple =
  <T>(
    applies: (value: unknown) => value is T,
    fits: (value: T, limit: never) => boolean,
    says: (limit: never, value: T) => string,
  ): Keyword =>
  (limit, value, _schema, path) =>
    !applies(value) || fits(value, limit as never)
      ? undefined
      : { path, value, message: `${shown(value)} ${says(limit as never, value)}`, alone: false };

const shown = (value: unknown): string => {
  const text = pythonRepr(value);
  return text.length > 1_000 ? `${text.slice(0, 1_000)}...` : text;
};

const isString = (value: unknown): value is string => typeof value === 'string';
const isArray = (value: unknown): value is readonly unknown[] => Array.isArray(value);
const isNumeric = (value: unknown): value is number | string =>
  typeof value === 'number' || (typeof value === 'string' && value.trim() !== '' && Number.isFinite(Number(value)));
const isNumber = (value: unknown): value is number => typeof value === 'number';
const anything = (_value: unknown): _value is unknown => true;

const underAny: Keyword = (schemas, value, _schema, path) => {
  const fitting = (schemas as readonly Schema[]).some((one) => explain(one, value, path) === undefined);
  return fitting ? undefined : { path, value, message: `${shown(value)} is not valid under any of the given schemas`, alone: false };
};

const keywords: Readonly<Record<string, Keyword>> = {
  type(wanted, value, _schema, path) {
    const types = (Array.isArray(wanted) ? wanted : [wanted]) as readonly string[];
    if (types.some((type) => typeTests[type]?.(value) === true)) return undefined;
    return { path, value, message: `${shown(value)} is not of type ${types.map(pythonRepr).join(', ')}`, alone: false };
  },
  properties(properties, value, _schema, path) {
    if (!isObject(value)) return undefined;
    for (const [key, schema] of Object.entries(properties as Record<string, Schema>)) {
      if (!own(value, key)) continue;
      const failure = explain(schema, value[key], [...path, key]);
      if (failure !== undefined) return failure;
    }
    return undefined;
  },
  patternProperties(patterns, value, _schema, path) {
    if (!isObject(value)) return undefined;
    for (const [pattern, schema] of Object.entries(patterns as Record<string, Schema>)) {
      const expression = new RegExp(pattern);
      for (const [key, item] of Object.entries(value)) {
        const failure = expression.test(key) ? explain(schema, item, [...path, key]) : undefined;
        if (failure !== undefined) return failure;
      }
    }
    return undefined;
  },
  additionalProperties(allowed, value, schema, path) {
    if (!isObject(value) || allowed === true) return undefined;
    const patterns = Object.keys(schema['patternProperties'] ?? {});
    const named = schema['properties'] ?? {};
    const extras = Object.keys(value).filter((key) => !own(named, key) && !patterns.some((pattern) => new RegExp(pattern).test(key)));
    if (isObject(allowed)) {
      for (const key of extras) {
        const failure = explain(allowed, value[key], [...path, key]);
        if (failure !== undefined) return failure;
      }
      return undefined;
    }
    if (extras.length === 0) return undefined;
    const list = extras.toSorted().slice(0, 50).map(pythonRepr).join(', ');
    const message =
      patterns.length > 0
        ? `${list} ${extras.length === 1 ? 'does' : 'do'} not match any of the regexes: ${patterns.toSorted().map(pythonRepr).join(', ')}`
        : `Additional properties are not allowed (${list} ${extras.length === 1 ? 'was' : 'were'} unexpected)`;
    return { path, value, message, alone: false };
  },
  required(names, value, _schema, path) {
    if (!isObject(value)) return undefined;
    const missing = (names as readonly string[]).find((name) => !own(value, name));
    return missing === undefined ? undefined : { path, value, message: `${pythonRepr(missing)} is a required property`, alone: false };
  },
  format(name, value, _schema, path) {
    const format = name as string;
    if (typeof value !== 'string' || (formats[format]?.(value) ?? true)) return undefined;
    const text = formatTexts[format];
    return { path, value, message: text ?? `${shown(value)} is not a ${pythonRepr(format)}`, alone: text !== undefined };
  },
  items(schema, value, whole, path) {
    if (!isArray(value) || !isObject(schema)) return undefined;
    const skip = isArray(whole['prefixItems']) ? whole['prefixItems'].length : 0;
    for (const [at, item] of value.entries()) {
      const failure = at < skip ? undefined : explain(schema, item, [...path, at]);
      if (failure !== undefined) return failure;
    }
    return undefined;
  },
  prefixItems(schemas, value, _schema, path) {
    if (!isArray(value)) return undefined;
    for (const [at, schema] of (schemas as readonly Schema[]).entries()) {
      const failure = at < value.length ? explain(schema, value[at], [...path, at]) : undefined;
      if (failure !== undefined) return failure;
    }
    return undefined;
  },
  oneOf(schemas, value, schema, path) {
    const fitting = (schemas as readonly Schema[]).filter((one) => explain(one, value, path) === undefined);
    if (fitting.length === 1) return undefined;
    if (fitting.length === 0) return underAny(schemas, value, schema, path);
    return { path, value, message: `${shown(value)} is valid under each of ${fitting.map(pythonRepr).join(', ')}`, alone: false };
  },
  anyOf: underAny,
  allOf(schemas, value, _schema, path) {
    for (const one of schemas as readonly Schema[]) {
      const failure = explain(one, value, path);
      if (failure !== undefined) return failure;
    }
    return undefined;
  },
  minLength: simple(
    isString,
    (text, limit: number) => length(text) >= limit,
    (limit: number) => (limit === 1 ? 'should be non-empty' : 'is too short'),
  ),
  maxLength: simple(
    isString,
    (text, limit: number) => length(text) <= limit,
    (limit: number) => (limit === 0 ? 'is expected to be empty' : 'is too long'),
  ),
  pattern: simple(
    isString,
    (text, pattern: string) => new RegExp(pattern).test(text),
    (pattern: string) => `does not match ${pythonRepr(pattern)}`,
  ),
  enum: simple(
    anything,
    (value, all: readonly unknown[]) => all.some((one) => same(one, value)),
    (all: readonly unknown[]) => `is not one of ${pythonRepr(all)}`,
  ),
  minimum: simple(
    isNumeric,
    (value, limit: number) => Number(value) >= limit,
    (limit: number) => `is less than the minimum of ${limit}`,
  ),
  maximum: simple(
    isNumeric,
    (value, limit: number) => Number(value) <= limit,
    (limit: number) => `is greater than the maximum of ${limit}`,
  ),
  exclusiveMinimum: simple(
    isNumber,
    (value, limit: number) => value > limit,
    (limit: number) => `is less than or equal to the minimum of ${limit}`,
  ),
  minItems: simple(
    isArray,
    (list, limit: number) => list.length >= limit,
    (limit: number) => (limit === 1 ? 'should be non-empty' : 'is too short'),
  ),
  maxItems: simple(
    isArray,
    (list, limit: number) => list.length <= limit,
    (limit: number) => (limit === 0 ? 'is expected to be empty' : 'is too long'),
  ),
  minProperties: simple(
    isObject,
    (object, limit: number) => Object.keys(object).length >= limit,
    (limit: number) => (limit === 1 ? 'should be non-empty' : 'does not have enough properties'),
  ),
  maxProperties: simple(
    isObject,
    (object, limit: number) => Object.keys(object).length <= limit,
    () => 'has too many properties',
  ),
  uniqueItems: simple(
    isArray,
    (list, wanted: boolean) => !wanted || new Set(list.map(pythonRepr)).size === list.length,
    () => 'has non-unique elements',
  ),
  const(wanted, value, _schema, path) {
    return same(wanted, value) ? undefined : { path, value, message: `${pythonRepr(wanted)} was expected`, alone: false };
  },
};

/** The first failure of `value`, or undefined when it fits. */
export function explain(schema: Schema, value: unknown, path: Path = []): Failure | undefined {
  for (const [name, limit] of Object.entries(schema)) {
    const failure = keywords[name]?.(limit, value, schema, path);
    if (failure !== undefined) return failure;
  }
  return undefined;
}

/** The sentence for the client: `what` is "field/attribute" for bodies, "query parameters" for queries. */
export function failureText(failure: Failure, what: 'field/attribute' | 'query parameters'): string {
  if (failure.alone || failure.path.length === 0) return failure.message;
  const place = what === 'field/attribute' ? failure.path.at(-1) : failure.path[0];
  return `Invalid input for ${what} ${place}. Value: ${pythonText(failure.value)}. ${failure.message}`;
}
