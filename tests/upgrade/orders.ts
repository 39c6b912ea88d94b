import type { Role } from '../support/cloud.ts';

/** What is replaced process by process; identity and images are not part of a release's wire. */
export const KINDS = ['conductor', 'scheduler', 'compute', 'api'] as const satisfies readonly Role[];
export type Kind = (typeof KINDS)[number];

export interface Pass {
  /** forward: to this release; back: to the last one again. */
  readonly to: 'forward' | 'back';
  readonly order: readonly Kind[];
}

/** Every order in which the kinds can follow each other. */
export function everyOrder(kinds: readonly Kind[] = KINDS): readonly (readonly Kind[])[] {
  if (kinds.length === 0) return [[]];
  return kinds.flatMap((first) => everyOrder(kinds.filter((kind) => kind !== first)).map((rest) => [first, ...rest]));
}

const forward = (...order: readonly Kind[]): Pass => ({ to: 'forward', order });
const back = (...order: readonly Kind[]): Pass => ({ to: 'back', order });

/** One cloud goes through them one after the other. */
export const passes: Readonly<Record<string, readonly Pass[]>> = {
  few: [
    forward('conductor', 'scheduler', 'compute', 'api'), // as documented
    back('api', 'compute', 'scheduler', 'conductor'),
    forward('compute', 'api', 'scheduler', 'conductor'),
  ],
  // Every order in one run, or those that begin with one kind.
  all: thereAndBack(everyOrder()),
  ...Object.fromEntries(KINDS.map((first) => [first, thereAndBack(everyOrder().filter(([kind]) => kind === first))])),
};

function thereAndBack(orders: readonly (readonly Kind[])[]): readonly Pass[] {
  return orders.flatMap((order) => [forward(...order), back(...order.toReversed())]);
}
