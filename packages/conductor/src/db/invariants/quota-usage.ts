import { lockUsage, usageDifferences } from '../quota-usages.ts';
import { invariant, type Violation } from './invariant.ts';

interface StrayedUsage extends Violation {
  readonly projectId: string;
  /** Empty for the project's own sum. */
  readonly userId: string;
}

export const quotaUsage = invariant<StrayedUsage>({
  name: 'quota_usage',
  holds: 'What a project and its users have used of their quota equals a recount of their instances.',
  async find(knex, { limit }) {
    const found = await usageDifferences(knex, limit);
    return found.map(({ projectId, userId, kept, recounted }) => ({
      ...{ projectId, userId, subject: `quota_usages ${projectId}/${userId}` },
      detail: `kept ${JSON.stringify(kept)}, recounted ${JSON.stringify(recounted)}`,
    }));
  },
  async repair(trx, { projectId, userId }) {
    await lockUsage(trx, [{ projectId, userId }]);
    // A statement of its own sees what was committed while the lock was waited for; who has counted in is ahead of us in the queue.
    await trx.raw(
      `update quota_usages q set instances = r.instances, cores = r.cores, ram = r.ram
       from (select count(*) as instances, coalesce(sum(vcpus), 0) as cores, coalesce(sum(memory_mb), 0) as ram from instances
             where project_id = :projectId and (:userId = '' or user_id = :userId) and deleted_at is null) r
       where q.project_id = :projectId and q.user_id = :userId`,
      { projectId, userId },
    );
    return {};
  },
});
