import { Exclude, Expose } from '@kilonova/rpc';

/** Limits and use of a project (or of a user in it), by resource name as in os-quota-sets; -1 is unlimited. */
@Exclude()
export class QuotaSet {
  @Expose() projectId!: string;
  @Expose() limits: Record<string, number> = {};
  @Expose() inUse: Record<string, number> = {};
}
