import type { Schema } from './explain.ts';

/** On the old endpoint /v2 unknown keys of a body are dropped where /v2.1 refuses them: the value without them. */
export function withoutUnknownKeys(schema: Schema, value: unknown): unknown {
  if (Array.isArray(value)) {
    const items = schema['items'] as Schema | undefined;
    return items === undefined ? value : value.map((item) => withoutUnknownKeys(items, item));
  }
  const properties = schema['properties'] as Readonly<Record<string, Schema>> | undefined;
  if (typeof value !== 'object' || value === null || properties === undefined) return value;
  const patterns = Object.keys(schema['patternProperties'] ?? {}).map((pattern) => new RegExp(pattern));
  const known = (key: string) =>
    schema['additionalProperties'] !== false || Object.hasOwn(properties, key) || patterns.some((pattern) => pattern.test(key));
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => known(key))
      .map(([key, item]) => [key, Object.hasOwn(properties, key) ? withoutUnknownKeys(properties[key]!, item) : item]),
  );
}
