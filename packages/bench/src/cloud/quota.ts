import type { Cloud } from './cloud.ts';

const RESOURCES = ['instances', 'cores', 'ram'] as const;
type Resource = (typeof RESOURCES)[number];
type Limits = Readonly<Record<Resource, number>>;

interface Detail {
  readonly quota_set: Readonly<Record<Resource, { readonly limit: number; readonly in_use: number; readonly reserved: number }>>;
}

/**
 * Sees that the project may have so many more servers. With `lift` its limits of servers, cores and memory are taken away
 * for the run, which needs an administrator.
 *
 * @returns what puts the limits back
 * @throws Error that says how many more it may have
 */
export async function ensureQuota(cloud: Cloud, servers: number, lift: boolean): Promise<() => Promise<void>> {
  const path = `/os-quota-sets/${cloud.projectId}`;
  const { quota_set: quota } = (await cloud.ask<Detail>(`${path}/detail`)).body;
  const set = async (limits: Limits) => void (await cloud.ask(path, { method: 'PUT', body: { quota_set: { ...limits, force: true } } }));
  if (lift) {
    await set({ instances: -1, cores: -1, ram: -1 });
    return () => set({ instances: quota.instances.limit, cores: quota.cores.limit, ram: quota.ram.limit });
  }
  const { limit, in_use: used, reserved } = quota.instances;
  if (limit >= 0 && limit - used - reserved < servers)
    throw new Error(
      `${servers} servers are wanted and the project's quota leaves room for ${Math.max(0, limit - used - reserved)}: --lift-quota takes it away for the run (as an administrator)`,
    );
  return async () => undefined;
}
