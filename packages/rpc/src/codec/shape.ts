import type { Class } from '../contract/contract.ts';

export interface Shaped {
  readonly expected: string;
  readonly fits: (value: unknown) => boolean;
}

const shapes = new WeakMap<Class<never>, Shaped>();

/**
 * A plain value as a message, beside the classes: `shape<readonly string[]>('a list of texts', isTexts)`. It is the same
 * in every version of its contract and must be something JSON can carry.
 *
 * @param expected what a fitting value is, for the MalformedMessage of one that is not
 */
export function shape<T>(expected: string, fits: (value: unknown) => boolean): Class<T> {
  const marker = class Value {} as Class<T>;
  shapes.set(marker as Class<never>, { expected, fits });
  return marker;
}

export const shapeOf = (type: Class<object>): Shaped | undefined => shapes.get(type as Class<never>);
