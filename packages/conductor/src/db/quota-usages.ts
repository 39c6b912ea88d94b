import type { Knex } from 'knex';
import { rowsOf } from './rows.ts';

/** What instances count as: one each, and their flavor's vCPUs and MiB of memory. */
export interface Usage {
  readonly instances: number;
  readonly cores: number;
  readonly ram: number;
}

export interface UsageChange extends Usage {
  readonly projectId: string;
  readonly userId: string;
}

/** A project's sum and one user's part of it. */
export interface ProjectUsage {
  readonly project: Usage;
  readonly user: Usage;
}

export interface UsageRow extends Usage {
  readonly user_id: string;
}

const NOTHING: Usage = { instances: 0, cores: 0, ram: 0 };
const of = (rows: readonly UsageRow[], userId: string): Usage => {
  const row = rows.find((candidate) => candidate.user_id === userId);
  return row === undefined ? NOTHING : { instances: row.instances, cores: row.cores, ram: row.ram };
};

/** A user within a project. */
export interface Payer {
  readonly projectId: string;
  readonly userId: string;
}

/** Locks the rows of all (making them when they are new) until the transaction ends, in the order that everybody takes them in. */
export async function lockUsage(
  trx: Knex.Transaction,
  payers: readonly Payer[],
): Promise<readonly (UsageRow & { readonly project_id: string })[]> {
  return rowsOf(
    trx,
    `insert into quota_usages (project_id, user_id)
     select distinct p."projectId", users.u
     from jsonb_to_recordset(cast(:payers as jsonb)) as p ("projectId" text, "userId" text)
     cross join lateral (values (''), (p."userId")) as users (u) order by 1, 2
     on conflict (project_id, user_id) do update set instances = quota_usages.instances
     returning project_id, user_id, instances, cores, ram`,
    { payers: JSON.stringify(payers) },
  );
}

export async function readUsage(knex: Knex, projectId: string, userId: string): Promise<ProjectUsage> {
  const rows = await rowsOf<UsageRow>(
    knex,
    `select user_id, instances, cores, ram from quota_usages where project_id = :projectId and user_id in ('', :userId)`,
    { projectId, userId },
  );
  return { project: of(rows, ''), user: of(rows, userId) };
}

const SUMS = `
  with changes as (
    select c."projectId" as project_id, users.u as user_id,
      sum(c.instances) as instances, sum(c.cores) as cores, sum(c.ram) as ram
    from jsonb_to_recordset(cast(:changes as jsonb)) as c ("projectId" text, "userId" text, instances bigint, cores bigint, ram bigint)
    cross join lateral (values (''), (c."userId")) as users (u)
    group by 1, 2
  ), locked as (
    select project_id, user_id from quota_usages join changes using (project_id, user_id) order by 1, 2 for update of quota_usages
  )`;

/** What one row, of a project (no user) or of a user, counts in, and what it may reach; negative is unlimited. */
export interface BoundedChange extends UsageChange {
  readonly limits: Usage;
}

/**
 * Counts instances in if they still fit everywhere, in one statement, so that the rows are locked for no longer than the commit.
 *
 * @param changes one per row
 * @returns false, and nothing is changed, when they do not fit any more or a row is missing
 */
export async function takeUsageWithin(trx: Knex.Transaction, changes: readonly BoundedChange[]): Promise<boolean> {
  if (changes.length === 0) return true;
  const fits = (['instances', 'cores', 'ram'] as const)
    .map(
      (resource) =>
        `(cast(c.limits ->> '${resource}' as bigint) < 0 or l.${resource} + c.${resource} <= cast(c.limits ->> '${resource}' as bigint))`,
    )
    .join(' and ');
  const rows = await rowsOf(
    trx,
    `with c as materialized (
       select * from jsonb_to_recordset(cast(:changes as jsonb))
         as c ("projectId" text, "userId" text, instances bigint, cores bigint, ram bigint, limits jsonb)
     ), locked as materialized (
       select * from quota_usages where (project_id, user_id) in (select "projectId", "userId" from c)
       order by project_id, user_id for no key update
     ), fitting as (
       select 1 from locked l join c on l.project_id = c."projectId" and l.user_id = c."userId"
       having count(*) = (select count(*) from c) and bool_and(${fits})
     )
     update quota_usages q set instances = q.instances + c.instances, cores = q.cores + c.cores, ram = q.ram + c.ram
     from c, fitting where q.project_id = c."projectId" and q.user_id = c."userId"
     returning 1`,
    { changes: JSON.stringify(changes) },
  );
  return rows.length === changes.length;
}

/** Counts instances in. The rows must be there: `lockUsage` came before. */
export const takeUsage = (trx: Knex.Transaction, changes: readonly UsageChange[]): Promise<void> => move(trx, changes, '+');

/** Counts instances out, in the transaction that deletes them. One statement for any number. */
export const releaseUsage = (trx: Knex.Transaction, changes: readonly UsageChange[]): Promise<void> => move(trx, changes, '-');

async function move(trx: Knex.Transaction, changes: readonly UsageChange[], sign: '+' | '-'): Promise<void> {
  if (changes.length === 0) return;
  await trx.raw(
    `${SUMS}
     update quota_usages q set
       instances = q.instances ${sign} c.instances, cores = q.cores ${sign} c.cores, ram = q.ram ${sign} c.ram
     from changes c join locked using (project_id, user_id)
     where q.project_id = c.project_id and q.user_id = c.user_id`,
    { changes: JSON.stringify(changes) },
  );
}

export interface UsageDifference {
  readonly projectId: string;
  /** Empty for the project's own sum. */
  readonly userId: string;
  readonly kept: Usage;
  readonly recounted: Usage;
}

/**
 * The invariant "quota usage equals a recount": rows that differ from the instances that are not deleted. Both sides are
 * read by one statement, so that work going on makes no false finding. At most `limit` of them.
 */
export async function usageDifferences(knex: Knex, limit = 1_000): Promise<UsageDifference[]> {
  return rowsOf<UsageDifference>(
    knex,
    `with recount as (
       select project_id, users.u as user_id, count(*) as instances, sum(vcpus)::bigint as cores, sum(memory_mb)::bigint as ram
       from instances cross join lateral (values (''), (instances.user_id)) as users (u)
       where deleted_at is null group by 1, 2
     )
     select project_id as "projectId", user_id as "userId",
       jsonb_build_object('instances', coalesce(q.instances, 0), 'cores', coalesce(q.cores, 0), 'ram', coalesce(q.ram, 0)) as kept,
       jsonb_build_object('instances', coalesce(r.instances, 0), 'cores', coalesce(r.cores, 0), 'ram', coalesce(r.ram, 0)) as recounted
     from quota_usages q full join recount r using (project_id, user_id)
     where (coalesce(q.instances, 0), coalesce(q.cores, 0), coalesce(q.ram, 0))
       is distinct from (coalesce(r.instances, 0), coalesce(r.cores, 0), coalesce(r.ram, 0))
     order by 1, 2 limit :limit`,
    { limit },
  );
}
