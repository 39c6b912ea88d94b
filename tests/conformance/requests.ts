import { images } from './outside-services.ts';
import { PROJECT, SERVER } from './canned-conductor.ts';

/** A request that succeeds against the canned rows, for every call of the contract that the api has. */

const bodies: Readonly<Record<string, (version: number) => unknown>> = {
  'POST /servers': (version) => ({
    server: { name: 'one', imageRef: images.active, flavorRef: '1', ...(version >= 37 ? { networks: 'none' } : {}) },
  }),
  'PUT /servers/{id}': () => ({ server: { name: 'two' } }),
  'POST /servers/{id}/action os-start': () => ({ 'os-start': null }),
  'POST /servers/{id}/action os-stop': () => ({ 'os-stop': null }),
  'POST /servers/{id}/action reboot': () => ({ reboot: { type: 'HARD' } }),
  'POST /servers/{id}/action lock': () => ({ lock: null }),
  'POST /servers/{id}/action unlock': () => ({ unlock: null }),
  'POST /servers/{id}/action os-resetState': () => ({ 'os-resetState': { state: 'active' } }),
  'POST /servers/{id}/action forceDelete': () => ({ forceDelete: null }),
  'POST /servers/{id}/action resize': () => ({ resize: { flavorRef: '2' } }),
  'POST /servers/{id}/action confirmResize': () => ({ confirmResize: null }),
  'POST /servers/{id}/action revertResize': () => ({ revertResize: null }),
  'POST /servers/{id}/action migrate': (version) => ({ migrate: version >= 56 ? { host: 'compute-2' } : null }),
  'POST /servers/{id}/action os-migrateLive': (version) => ({
    'os-migrateLive': { host: null, block_migration: false, ...(version < 25 && { disk_over_commit: false }) },
  }),
  'POST /servers/{id}/action evacuate': (version) => ({ evacuate: { host: 'compute-2', ...(version < 14 && { onSharedStorage: false }) } }),
  'POST /servers/{server_id}/migrations/{id}/action force_complete': () => ({ force_complete: null }),
  'POST /servers/{server_id}/metadata': () => ({ metadata: { a: 'b' } }),
  'PUT /servers/{server_id}/metadata': () => ({ metadata: { a: 'b' } }),
  'PUT /servers/{server_id}/metadata/{id}': () => ({ meta: { 'My Server Name': 'b' } }),
  'POST /flavors': () => ({ flavor: { name: 'f', ram: 512, vcpus: 1, disk: 1 } }),
  'PUT /flavors/{id}': () => ({ flavor: { description: 'new' } }),
  'POST /flavors/{id}/action addTenantAccess': () => ({ addTenantAccess: { tenant: PROJECT } }),
  'POST /flavors/{id}/action removeTenantAccess': () => ({ removeTenantAccess: { tenant: PROJECT } }),
  'POST /flavors/{flavor_id}/os-extra_specs': () => ({ extra_specs: { 'hw:numa_nodes': '1' } }),
  'PUT /flavors/{flavor_id}/os-extra_specs/{id}': () => ({ 'hw:numa_nodes': '2' }),
  'POST /os-aggregates': () => ({ aggregate: { name: 'a' } }),
  'PUT /os-aggregates/{id}': () => ({ aggregate: { name: 'b' } }),
  'POST /os-aggregates/{id}/action add_host': () => ({ add_host: { host: 'compute-1' } }),
  'POST /os-aggregates/{id}/action remove_host': () => ({ remove_host: { host: 'compute-1' } }),
  'POST /os-aggregates/{id}/action set_metadata': () => ({ set_metadata: { metadata: { key: 'value' } } }),
  'POST /os-keypairs': (version) => ({ keypair: { name: 'mine', ...(version >= 92 ? { public_key: ED25519 } : {}) } }),
  'PUT /os-quota-sets/{id}': () => ({ quota_set: { instances: 5 } }),
  'PUT /os-quota-class-sets/{id}': () => ({ quota_class_set: { instances: 5 } }),
  'POST /os-server-groups': (version) => ({
    server_group: version >= 64 ? { name: 'g', policy: 'affinity' } : { name: 'g', policies: ['affinity'] },
  }),
  'PUT /os-services/{id}': (version) => (version >= 53 ? { status: 'enabled' } : { host: 'compute-1', binary: 'nova-compute' }),
};
const ED25519 = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIO2XV5xgLv2DF5XvBnCCnKO2vkXpsZkzGSuUS4fMzoBR me';

const ids: Readonly<Record<string, (version: number) => string>> = {
  '/os-services': (version) => (version >= 53 ? 'e81d66a4-ddd3-4aba-8a84-171d1cb4d339' : 'enable'),
  '/os-hypervisors': (version) => (version >= 53 ? 'b1e43b5f-eec1-44e0-9f10-7b4945c0226d' : '1'),
  '/os-quota-sets': () => PROJECT,
  '/os-quota-class-sets': () => 'default',
  '/os-aggregates': () => '1',
  '/os-keypairs': () => 'mine',
  '/os-server-groups': () => '616fb98f-46ca-475e-917e-2563e5a8cd19',
  '/extensions': () => 'os-agents',
  '/servers/{server_id}/metadata': () => 'My%20Server%20Name',
  '/servers/{server_id}/os-instance-actions': () => 'req-8eb28d4a-db6c-4337-bab8-ce154e9c620e',
  '/servers/{server_id}/tags': () => 'blue',
  '/servers/{server_id}/migrations': () => '1',
  '/flavors/{flavor_id}/os-extra_specs': () => 'hw:numa_nodes',
};

export function pathOf(method: string, path: string, version: number): string {
  const collection = path.slice(0, path.indexOf('/{id}'));
  const row = path.startsWith('/os-services') && method === 'DELETE' && version < 53 ? '2' : ids[collection]?.(version);
  const flavor = path === '/flavors/{flavor_id}/os-flavor-access' ? '10' : '1';
  return path
    .replace('{server_id}', SERVER)
    .replace('{flavor_id}', flavor)
    .replace('{id}', row ?? (path.startsWith('/flavors') ? '10' : SERVER));
}

/** `key` is method, path and, for actions, the action. */
export const bodyOf = (method: string, path: string, action: string, version: number): unknown =>
  bodies[
    [method, path, action]
      .filter((part) => part !== '')
      .join(' ')
      .replace(/^(\S+ \S+) $/, '$1')
  ]?.(version);
