import type { HostState } from '@kilonova/objects';

type Read = (host: HostState) => unknown;
const usable = (total: number, reserved: number) => total - reserved;

/** What `capabilities:<name>` extra specs may read of a host (the contract's list of extra specs). */
const attributes: Readonly<Record<string, Read>> = {
  host: (host) => host.host,
  nodename: (host) => host.node,
  hypervisor_hostname: (host) => host.node,
  hypervisor_type: (host) => host.hypervisorType,
  hypervisor_version: (host) => host.hypervisorVersion,
  vcpus_total: (host) => host.vcpus,
  vcpus: (host) => host.vcpus,
  vcpus_used: (host) => host.vcpusUsed,
  total_usable_ram_mb: (host) => usable(host.memoryMb, host.reservedMemoryMb),
  free_ram_mb: (host) => usable(host.memoryMb, host.reservedMemoryMb) - host.memoryMbUsed,
  total_usable_disk_gb: (host) => usable(host.diskGb, host.reservedDiskGb),
  free_disk_gb: (host) => usable(host.diskGb, host.reservedDiskGb) - host.diskGbUsed,
  free_disk_mb: (host) => (usable(host.diskGb, host.reservedDiskGb) - host.diskGbUsed) * 1024,
  disk_mb_used: (host) => host.diskGbUsed * 1024,
  num_instances: (host) => host.instances,
  running_vms: (host) => host.instances,
  num_io_ops: (host) => host.ioOps,
  current_workload: (host) => host.ioOps,
  failed_builds: (host) => host.failedBuilds,
  cpu_allocation_ratio: (host) => host.cpuRatio,
  ram_allocation_ratio: (host) => host.memoryRatio,
  disk_allocation_ratio: (host) => host.diskRatio,
  supported_instances: (host) => host.supportedInstances,
  cpu_info: (host) => host.capabilities['cpu_info'],
  stats: (host) => host.capabilities['stats'],
};

/** A bare extra spec of this name is about the host itself and no business of aggregates. */
export const isHostAttribute = (name: string): boolean => Object.hasOwn(attributes, name);

/** Follows `cpu_info:topology:cores` into what the host reports; undefined when there is no such thing. */
export function readAttribute(host: HostState, path: string): string | undefined {
  const [name = '', ...inner] = path.split(':');
  let value: unknown = isHostAttribute(name) ? attributes[name]!(host) : ownValue(host.capabilities, name);
  for (const key of inner) value = ownValue(value, key);
  if (value === undefined || value === null) return undefined;
  return typeof value === 'string' ? value : JSON.stringify(value);
}

const ownValue = (value: unknown, key: string): unknown =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, key) ? (value as Record<string, unknown>)[key] : undefined;
