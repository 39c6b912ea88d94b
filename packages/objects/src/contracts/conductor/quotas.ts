import { call, Empty, Exclude, Expose, Type } from '@kilonova/rpc';
import { QuotaSet } from '../../objects/quota-set.ts';
import { Scope } from '../../objects/scope.ts';

@Exclude()
export class QuotaRef {
  @Expose() @Type(() => Scope) scope!: Scope;
  @Expose() projectId!: string;
  /** A user within the project. */
  @Expose() userId: string | null = null;
  /** The defaults alone, as if nothing was set for the project. */
  @Expose() defaults: boolean = false;
}

@Exclude()
export class UpdateQuota extends QuotaRef {
  @Expose() limits: Record<string, number> = {};
  /** Also below what is in use. */
  @Expose() force: boolean = false;
}

/** The only class in use is `default`: its limits override the configured ones. */
@Exclude()
export class QuotaClassRef {
  @Expose() @Type(() => Scope) scope!: Scope;
  @Expose() className!: string;
}

@Exclude()
export class UpdateQuotaClass extends QuotaClassRef {
  @Expose() limits: Record<string, number> = {};
}

export const quotaMethods = {
  getQuota: call({ since: '1.0', request: QuotaRef, response: QuotaSet, idempotent: true }),
  updateQuota: call({ since: '1.0', request: UpdateQuota, response: QuotaSet }),
  deleteQuota: call({ since: '1.0', request: QuotaRef, response: Empty }),
  getQuotaClass: call({ since: '1.0', request: QuotaClassRef, response: QuotaSet, idempotent: true }),
  updateQuotaClass: call({ since: '1.0', request: UpdateQuotaClass, response: QuotaSet }),
};
