import type { HostState } from '@kilonova/objects';

export interface Amount {
  readonly vcpus: number;
  readonly memoryMb: number;
  readonly diskGb: number;
}

/** What may be claimed of a host that nothing is on: without the reserve, times the ratio. */
export const capacityOf = (host: HostState): Amount => ({
  vcpus: Math.floor((host.vcpus - host.reservedVcpus) * host.cpuRatio),
  memoryMb: Math.floor((host.memoryMb - host.reservedMemoryMb) * host.memoryRatio),
  diskGb: Math.floor((host.diskGb - host.reservedDiskGb) * host.diskRatio),
});
