import 'reflect-metadata';
import { fieldsOf, parseVersion, type Class, type Contract, type Field } from '@kilonova/rpc';

/** Every message class that the contracts reach in a minor, by name; default: in any. */
export function messageClasses(contracts: readonly Contract[], minor = Infinity): ReadonlyMap<string, Class<object>> {
  const found = new Map<string, Class<object>>();
  const visit = (type: Class<object>): void => {
    if (found.has(type.name)) return;
    found.set(type.name, type);
    for (const { nested, since } of fieldsOf(type)) if (nested !== undefined && since <= minor) visit(nested);
  };
  for (const { methods } of contracts) {
    for (const method of Object.values(methods)) {
      if (Number(method.since.split('.')[1]) > minor) continue;
      visit(method.request);
      if (method.kind === 'call') visit(method.response);
      if (method.kind === 'stream') visit(method.item);
    }
  }
  return found;
}

/**
 * An instance with every field filled by a value of its type, so that its encoded form shows the whole shape. A field whose
 * type the compiler cannot tell (a union with null) holds its default.
 */
export function sampleOf(type: Class<object>): object {
  const sample = new type() as Record<string, unknown>;
  for (const field of fieldsOf(type)) sample[field.name] = valueOf(type, field, sample[field.name]);
  return sample;
}

function valueOf(type: Class<object>, { name, nested, shape }: Field, initial: unknown): unknown {
  const declared: unknown = Reflect.getMetadata('design:type', type.prototype as object, name);
  if (nested !== undefined) return shape === 'array' || declared === Array ? [sampleOf(nested)] : sampleOf(nested);
  // Compilers differ in what they say of a union with null.
  if (initial === null) return null;
  if (shape === 'string' || declared === String) return `a ${name}`;
  if (shape === 'number' || declared === Number) return 7;
  if (shape === 'boolean' || declared === Boolean) return initial !== true;
  return initial;
}

/** What a contract offers to peers of one minor, as plain data. */
export const outlineOf = ({ topic, exchange, methods }: Contract, major: number, minor: number): object => ({
  topic,
  exchange,
  version: `${major}.${minor}`,
  methods: Object.fromEntries(
    Object.entries(methods)
      .filter(([name, { since }]) => parseVersion(since, name).minor <= minor)
      .map(([name, method]) => [
        name,
        {
          kind: method.kind,
          since: method.since,
          request: method.request.name,
          ...(method.kind === 'call' ? { response: method.response.name } : {}),
          ...(method.kind === 'stream' ? { item: method.item.name } : {}),
        },
      ]),
  ),
});
