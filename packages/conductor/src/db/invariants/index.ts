import { hostUsage } from './host-usage.ts';
import type { Invariant } from './invariant.ts';
import { allocationsHaveOwners, ownersHaveAllocations } from './owners.ts';
import { quotaUsage } from './quota-usage.ts';
import { tasksAreAtWork, tasksEnd } from './tasks.ts';

export type { Invariant, Violation } from './invariant.ts';

/**
 * The design's list under "Failure", as far as rows can tell and the database's own constraints do not see to it: those
 * refuse an overcommit, two live tasks of an instance, and a deleted instance with an owner.
 */
export const invariants: readonly Invariant[] = [
  quotaUsage,
  hostUsage,
  allocationsHaveOwners,
  ownersHaveAllocations,
  tasksEnd,
  tasksAreAtWork,
];
