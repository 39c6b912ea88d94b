import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as objects from '@kilonova/objects';
import { fieldsOf } from '@kilonova/rpc';

type Contract = typeof objects.computeContract;
export type AnyContract = Pick<Contract, 'topic' | 'exchange' | 'version'> & { readonly methods: Readonly<Record<string, AnyMethod>> };
interface AnyMethod {
  readonly kind: string;
  readonly request: new () => object;
}

const isContract = (value: unknown): value is AnyContract =>
  typeof value === 'object' && value !== null && 'topic' in value && 'methods' in value && 'exchange' in value;

/** All that the package offers: a new one is attacked from its first day. */
export const contracts: readonly AnyContract[] = Object.values(objects as Readonly<Record<string, unknown>>).filter(isContract);

/** How many contracts the sources define, whether they are offered or not. */
export function definedContracts(): number {
  const folder = join(import.meta.dirname, '..', '..', 'packages', 'objects', 'src', 'contracts');
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
  return files.reduce((sum, name) => sum + readFileSync(join(folder, name), 'utf8').split(/= defineContract\(/).length - 1, 0);
}

export interface Method {
  readonly topic: string;
  readonly method: string;
  readonly kind: string;
  readonly version: string;
  readonly request: new () => object;
}

export const methods: readonly Method[] = contracts.flatMap(({ topic, version, methods: of }) =>
  Object.entries(of).map(([method, { kind, request }]) => ({ topic, method, kind, version, request })),
);

/** Values that would do harm where they were believed, by the name of the field. */
export type Facts = Readonly<Record<string, unknown>>;

/** A whole request of a class: facts where its fields have their names, something of the right type elsewhere. */
export function forged(type: new () => object, facts: Facts, depth = 0): object {
  const made = new type() as Record<string, unknown>;
  for (const { name, nested, shape } of fieldsOf(type)) {
    const initial = made[name];
    if (nested !== undefined && depth < 5) {
      const inner = forged(nested, facts, depth + 1);
      made[name] = shape === 'array' || Array.isArray(initial) ? [inner] : inner;
    } else if (name in facts) made[name] = facts[name];
    else if (initial === undefined) made[name] = shape === 'number' ? 1 : shape === 'boolean' ? true : shape === 'array' ? [] : 'forged';
  }
  return made;
}

/** What crosses the wire, as the rpc package would write it. */
export const envelope = (method: Omit<Method, 'request'>, body: unknown, more: object = {}): string =>
  JSON.stringify({
    kind: method.kind,
    topic: method.topic,
    method: method.method,
    version: method.version,
    requestId: 'req-forged',
    timeoutMs: 5_000,
    body,
    ...more,
  });
