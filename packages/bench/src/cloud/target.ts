import type { Cloud } from './cloud.ts';
import type { Recipe } from './servers.ts';

/** The cloud that is measured. */
export interface CloudTarget {
  readonly cloud: Cloud;
  readonly recipe: Recipe;
  /** Take the project's quota away for the run. */
  readonly liftQuota: boolean;
}
