import type { Knex } from 'knex';
import type { QuotaConfig } from '../config.ts';
import { rowsOf } from './rows.ts';

/** Names of resources as os-quota-sets has them, and their options in the configuration. */
export const quotaResources = {
  instances: 'instances',
  cores: 'cores',
  ram: 'ram',
  metadata_items: 'metadataItems',
  key_pairs: 'keyPairs',
  server_groups: 'serverGroups',
  server_group_members: 'serverGroupMembers',
  injected_files: 'injectedFiles',
  injected_file_content_bytes: 'injectedFileContentBytes',
  injected_file_path_bytes: 'injectedFilePathBytes',
  fixed_ips: 'fixedIps',
  floating_ips: 'floatingIps',
  security_groups: 'securityGroups',
  security_group_rules: 'securityGroupRules',
} as const satisfies Record<string, keyof QuotaConfig>;

export type QuotaResource = keyof typeof quotaResources;
/** -1 is unlimited. */
export type Limits = Readonly<Record<QuotaResource, number>>;

export const isQuotaResource = (name: string): name is QuotaResource => Object.hasOwn(quotaResources, name);

export interface ProjectLimits {
  /** Configured, overridden by the class `default`. */
  readonly defaults: Limits;
  readonly project: Limits;
  /** What was set for the user within the project, else the project's. */
  readonly user: Limits;
}

const configured = (config: QuotaConfig): Limits =>
  Object.fromEntries(Object.entries(quotaResources).map(([resource, option]) => [resource, config[option]])) as Record<
    QuotaResource,
    number
  >;

export interface LimitRow {
  readonly level: 'class' | 'project' | 'user';
  readonly resource: string;
  readonly limit: number;
}

/** SQL: what was set beside the configured limits, for a user (or, empty, a project), as rows of `LimitRow`. */
export const limitRows = (projectId: string, userId: string): string =>
  `select 'class' as level, resource, "limit" from quota_classes where class_name = 'default'
   union all
   select case user_id when '' then 'project' else 'user' end, resource, "limit" from quotas
   where project_id = ${projectId} and user_id in ('', ${userId})`;

/** What holds for a project and for a user in it: one statement. */
export async function limitsOf(knex: Knex, config: QuotaConfig, projectId: string, userId: string): Promise<ProjectLimits> {
  return limitsFrom(config, await rowsOf<LimitRow>(knex, limitRows(':projectId', ':userId'), { projectId, userId }));
}

export function limitsFrom(config: QuotaConfig, rows: readonly LimitRow[]): ProjectLimits {
  const over = (limits: Limits, level: LimitRow['level']): Limits => ({
    ...limits,
    ...Object.fromEntries(rows.filter((row) => row.level === level).map((row) => [row.resource, row.limit])),
  });
  const defaults = over(configured(config), 'class');
  const project = over(defaults, 'project');
  return { defaults, project, user: over(project, 'user') };
}

/** `userId` is empty for the project's own limits. */
export async function setLimits(knex: Knex, projectId: string, userId: string, limits: Readonly<Record<string, number>>): Promise<void> {
  await knex.raw(
    `insert into quotas (project_id, user_id, resource, "limit")
     select :projectId, :userId, key, cast(cast(value as text) as bigint) from jsonb_each(cast(:limits as jsonb)) order by key
     on conflict (project_id, user_id, resource) do update set "limit" = excluded."limit"`,
    { projectId, userId, limits: JSON.stringify(limits) },
  );
}

/** A project's with those of all its users, or one user's. */
export async function forgetLimits(knex: Knex, projectId: string, userId: string | null): Promise<void> {
  await knex.raw('delete from quotas where project_id = :projectId and (cast(:userId as text) is null or user_id = :userId)', {
    projectId,
    userId,
  });
}

export async function setClassLimits(knex: Knex, className: string, limits: Readonly<Record<string, number>>): Promise<void> {
  await knex.raw(
    `insert into quota_classes (class_name, resource, "limit")
     select :className, key, cast(cast(value as text) as bigint) from jsonb_each(cast(:limits as jsonb)) order by key
     on conflict (class_name, resource) do update set "limit" = excluded."limit"`,
    { className, limits: JSON.stringify(limits) },
  );
}

/** Limits of a class, over the configured ones. */
export async function classLimits(knex: Knex, config: QuotaConfig, className: string): Promise<Limits> {
  const rows = await rowsOf<{ resource: string; limit: number }>(
    knex,
    'select resource, "limit" from quota_classes where class_name = :className',
    { className },
  );
  return { ...configured(config), ...Object.fromEntries(rows.map((row) => [row.resource, row.limit])) };
}
