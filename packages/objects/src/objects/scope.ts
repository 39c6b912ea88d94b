import { Exclude, Expose } from '@kilonova/rpc';

/**
 * Whose eyes a request looks through. The conductor applies it in the accepting transaction: a row outside the scope is
 * not found (404), and only a row that is found can be refused (403).
 */
@Exclude()
export class Scope {
  @Expose() userId!: string;
  /** The caller's own project. */
  @Expose() projectId!: string;
  /** Rows of every project are visible (administrators). */
  @Expose() allProjects: boolean = false;
  /** The caller holds the administrator role: sees faults' details, passes locks. */
  @Expose() admin: boolean = false;
  /** Name of the policy that refuses this caller once the row was found; null when nothing refuses. */
  @Expose() deniedBy: string | null = null;
  /** `req-<uuid>`; the key of the instance action that the request starts. */
  @Expose() requestId!: string;
}
