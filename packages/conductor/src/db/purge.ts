import type { Knex } from 'knex';
import { changedBy } from './rows.ts';

const olderThan = (column: string): string => `${column} < kilonova_now() - cast(:hours as double precision) * interval '1 hour'`;

/** Each removes at most `batch` rows and says how many; rows that another conductor is at are passed over. */
export const purgeIdempotencyKeys = (knex: Knex, hours: number, batch: number): Promise<number> =>
  changedBy(
    knex,
    `delete from idempotency_keys where (project_id, user_id, route, key) in (
       select project_id, user_id, route, key from idempotency_keys where ${olderThan('created_at')}
       order by created_at limit :batch for update skip locked
     )`,
    { hours, batch },
  );

/**
 * Tasks that ended, unless what they may have left on a host is still to be removed: why they failed says whether that host gets work
 * (RID_OF_DOUBLES). Such a cleanup is of the task's instance, which finds it by an index.
 */
export const purgeTasks = (knex: Knex, hours: number, batch: number): Promise<number> =>
  changedBy(
    knex,
    `delete from tasks where id in (
       select id from tasks t where finished_at is not null and ${olderThan('finished_at')}
         and not exists (select from cleanups c where c.instance_uuid = t.instance_uuid and split_part(c.undoes, '/', 1) = cast(t.id as text))
       order by finished_at limit :batch for update of t skip locked
     )`,
    { hours, batch },
  );

/** Deleted servers with all that hangs on them, unless a host still holds something of theirs. */
export const purgeServers = (knex: Knex, hours: number, batch: number): Promise<number> =>
  changedBy(
    knex,
    `delete from instances where uuid in (
       select uuid from instances i where deleted_at is not null and ${olderThan('deleted_at')}
         and not exists (select from allocations a where a.instance_uuid = i.uuid)
         and not exists (select from cleanups c where c.instance_uuid = i.uuid)
         and not exists (select from tasks t where t.instance_uuid = i.uuid and t.finished_at is null)
       order by deleted_at limit :batch for update skip locked
     )`,
    { hours, batch },
  );
