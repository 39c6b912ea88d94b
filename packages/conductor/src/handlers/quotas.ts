import { failure, QuotaSet, type QuotaClassRef, type QuotaRef, type UpdateQuota, type UpdateQuotaClass } from '@kilonova/objects';
import { Empty } from '@kilonova/rpc';
import type { Database } from '../db/connection.ts';
import { countKeypairs } from '../db/keypairs.ts';
import { readUsage } from '../db/quota-usages.ts';
import * as quotas from '../db/quotas.ts';
import { countServerGroups } from '../db/server-groups.ts';
import type { Services } from '../services.ts';
import { refuseIfDenied } from './scopes.ts';

const quotaSet = (projectId: string, limits: quotas.Limits, inUse: Readonly<Record<string, number>>): QuotaSet =>
  Object.assign(new QuotaSet(), { projectId, limits: { ...limits }, inUse });

/** By resource; what is counted per server or per group has no sum and shows 0. */
async function useOf(knex: Database, projectId: string, userId: string | null): Promise<Record<string, number>> {
  const { project, user } = await readUsage(knex, projectId, userId ?? '');
  const nothing = Object.fromEntries(Object.keys(quotas.quotaResources).map((resource) => [resource, 0]));
  return {
    ...nothing,
    ...(userId === null ? project : user),
    server_groups: await countServerGroups(knex, projectId, userId),
    ...(userId !== null && { key_pairs: await countKeypairs(knex, userId) }),
  };
}

export async function getQuota({ knex, config }: Services, { scope, projectId, userId, defaults }: QuotaRef): Promise<QuotaSet> {
  refuseIfDenied(scope);
  const limits = await quotas.limitsOf(knex, config.quota, projectId, userId ?? '');
  if (defaults) return quotaSet(projectId, limits.defaults, {});
  return quotaSet(projectId, userId === null ? limits.project : limits.user, await useOf(knex, projectId, userId));
}

/** @throws QuotaInvalid for a limit below what is in use (unless forced), or for a user's limit above the project's */
export async function updateQuota({ knex, config }: Services, request: UpdateQuota): Promise<QuotaSet> {
  const { scope, projectId, userId, limits, force } = request;
  refuseIfDenied(scope);
  refuseUnknown(limits);
  return knex.transaction(async (trx) => {
    const current = await quotas.limitsOf(trx, config.quota, projectId, userId ?? '');
    const inUse = await useOf(trx, projectId, userId);
    for (const [resource, limit] of Object.entries(limits) as [quotas.QuotaResource, number][]) {
      const used = inUse[resource] ?? 0;
      if (!force && limit !== -1 && limit < used)
        throw failure(
          'QuotaInvalid',
          `Quota limit ${limit} for ${resource} must be greater than or equal to already used and reserved ${used}.`,
        );
      const most = current.project[resource];
      if (userId !== null && most !== -1 && (limit === -1 || limit > most))
        throw failure('QuotaInvalid', `Quota limit ${limit} for ${resource} must be less than or equal to ${most}.`);
    }
    await quotas.setLimits(trx, projectId, userId ?? '', limits);
    const after = await quotas.limitsOf(trx, config.quota, projectId, userId ?? '');
    return quotaSet(projectId, userId === null ? after.project : after.user, inUse);
  });
}

export async function deleteQuota({ knex }: Services, { scope, projectId, userId }: QuotaRef): Promise<Empty> {
  refuseIfDenied(scope);
  await quotas.forgetLimits(knex, projectId, userId);
  return new Empty();
}

export async function getQuotaClass({ knex, config }: Services, { scope, className }: QuotaClassRef): Promise<QuotaSet> {
  refuseIfDenied(scope);
  return quotaSet(className, await quotas.classLimits(knex, config.quota, className), {});
}

export async function updateQuotaClass({ knex, config }: Services, { scope, className, limits }: UpdateQuotaClass): Promise<QuotaSet> {
  refuseIfDenied(scope);
  refuseUnknown(limits);
  await quotas.setClassLimits(knex, className, limits);
  return quotaSet(className, await quotas.classLimits(knex, config.quota, className), {});
}

function refuseUnknown(limits: Readonly<Record<string, number>>): void {
  for (const [resource, limit] of Object.entries(limits)) {
    if (!quotas.isQuotaResource(resource)) throw failure('QuotaInvalid', `Bad key(s) in quota set: ${resource}`);
    if (!Number.isSafeInteger(limit) || limit < -1)
      throw failure('QuotaInvalid', `Quota limit ${limit} for ${resource} must be -1 or greater.`);
  }
}
