import type { QuotaSet } from '@kilonova/objects';
import type { Microversion } from '../microversion/microversion.ts';

interface Resource {
  readonly name: string;
  /** Last microversion in os-quota-sets. */
  readonly to?: Microversion;
  /** First and last in os-quota-class-sets. */
  readonly classFrom?: Microversion;
  readonly classTo?: Microversion;
  /** For what the control plane keeps no limit of. */
  readonly otherwise: number;
}

/** The resources with a limit (contract, "Quotas and limits"). */
const resources: readonly Resource[] = [
  { name: 'instances', otherwise: -1 },
  { name: 'cores', otherwise: -1 },
  { name: 'ram', otherwise: -1 },
  { name: 'metadata_items', otherwise: -1 },
  { name: 'key_pairs', otherwise: -1 },
  { name: 'server_groups', classFrom: 50, otherwise: -1 },
  { name: 'server_group_members', classFrom: 50, otherwise: -1 },
  { name: 'injected_files', to: 56, classTo: 56, otherwise: 5 },
  { name: 'injected_file_content_bytes', to: 56, classTo: 56, otherwise: 10_240 },
  { name: 'injected_file_path_bytes', to: 56, classTo: 56, otherwise: 255 },
  { name: 'fixed_ips', to: 35, classTo: 49, otherwise: -1 },
  { name: 'floating_ips', to: 35, classTo: 49, otherwise: -1 },
  { name: 'security_groups', to: 35, classTo: 49, otherwise: -1 },
  { name: 'security_group_rules', to: 35, classTo: 49, otherwise: -1 },
];

const limitOf = (quota: QuotaSet, { name, otherwise }: Resource) => quota.limits[name] ?? otherwise;
const entries = (list: readonly Resource[], show: (resource: Resource) => unknown) =>
  Object.fromEntries(list.map((one) => [one.name, show(one)]));
const inSets = (version: Microversion) => resources.filter(({ to = Infinity }) => version <= to);

/** Names of the resources that a quota can be set for. */
export const settable: ReadonlySet<string> = new Set(resources.slice(0, 10).map(({ name }) => name));

export const quotaSet = (quota: QuotaSet, version: Microversion): object => entries(inSets(version), (one) => limitOf(quota, one));

export const quotaDetail = (quota: QuotaSet, version: Microversion): object =>
  entries(inSets(version), (one) => ({ in_use: quota.inUse[one.name] ?? 0, limit: limitOf(quota, one), reserved: 0 }));

export const quotaClass = (quota: QuotaSet, version: Microversion): object =>
  entries(
    resources.filter(({ classFrom = 1, classTo = Infinity }) => classFrom <= version && version <= classTo),
    (one) => limitOf(quota, one),
  );

/** Name in the limits, resource, whether it is what is used, last microversion. */
const absolute: readonly (readonly [name: string, resource: string, what: 'limit' | 'used', to?: Microversion])[] = [
  ['maxTotalInstances', 'instances', 'limit'],
  ['maxTotalCores', 'cores', 'limit'],
  ['maxTotalRAMSize', 'ram', 'limit'],
  ['maxServerMeta', 'metadata_items', 'limit'],
  ['maxImageMeta', 'metadata_items', 'limit', 38],
  ['maxTotalKeypairs', 'key_pairs', 'limit'],
  ['maxServerGroups', 'server_groups', 'limit'],
  ['maxServerGroupMembers', 'server_group_members', 'limit'],
  ['maxPersonality', 'injected_files', 'limit', 56],
  ['maxPersonalitySize', 'injected_file_content_bytes', 'limit', 56],
  ['maxTotalFloatingIps', 'floating_ips', 'limit', 35],
  ['maxSecurityGroups', 'security_groups', 'limit', 35],
  ['maxSecurityGroupRules', 'security_group_rules', 'limit', 35],
  ['totalInstancesUsed', 'instances', 'used'],
  ['totalCoresUsed', 'cores', 'used'],
  ['totalRAMUsed', 'ram', 'used'],
  ['totalServerGroupsUsed', 'server_groups', 'used'],
  ['totalFloatingIpsUsed', 'floating_ips', 'used', 35],
  ['totalSecurityGroupsUsed', 'security_groups', 'used', 35],
];

export function limits(quota: QuotaSet, version: Microversion): object {
  const byName = new Map(resources.map((one) => [one.name, one]));
  const shown = absolute.filter(([, , , to = Infinity]) => version <= to);
  return Object.fromEntries(
    shown.map(([name, resource, what]) => [name, what === 'used' ? (quota.inUse[resource] ?? 0) : limitOf(quota, byName.get(resource)!)]),
  );
}
