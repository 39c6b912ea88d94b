// Whether message classes can do what is asked of them, said where a contract is defined and not at the first message. What
// names a class that is declared further down, or in a module that is not run yet, is not known then and is looked at again by `serve`.
import type { Class } from '../contract/contract.ts';
import { shown } from '../options.ts';
import { fieldsOf, type Field } from './fields.ts';
import { shapeOf } from './shape.ts';

/** By class: the oldest minor in which it was looked at. */
export type LookedAt = Map<Class<object>, number>;

/**
 * @param since the minor from which on there are such messages
 * @returns false when not all could be known
 * @throws TypeError naming class and field
 */
export function checkMessageClass(where: string, type: Class<object>, since: number, lookedAt: LookedAt): boolean {
  if (typeof type !== 'function') throw new TypeError(`${where}: expected a message class or a shape, got ${shown(type)}`);
  if (shapeOf(type) !== undefined || (lookedAt.get(type) ?? Number.POSITIVE_INFINITY) <= since) return true;
  lookedAt.set(type, since);
  const fields = knownFields(where, type);
  let known = fields !== undefined;
  for (const { name, since: from, optional, nested } of fields ?? []) {
    // What is older than the field comes without it.
    if (from > since && !optional)
      throw new TypeError(
        `${where}: ${type.name}.${name} came with minor ${from}, and there are messages of minor ${since}: it needs a default`,
      );
    if (nested !== undefined) known = checkMessageClass(where, nested, Math.max(since, from), lookedAt) && known;
  }
  return known;
}

function knownFields(where: string, type: Class<object>): readonly Field[] | undefined {
  try {
    return fieldsOf(type);
  } catch (error) {
    if (error instanceof ReferenceError) return undefined;
    throw new TypeError(`${where}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}
