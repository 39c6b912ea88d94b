import type { Flavor, HostState } from '@kilonova/objects';
import type { HostFilter } from '../filter.ts';

/** MiB of swap count as disk, rounded up to GiB, as the claim counts them. */
export const diskGbOf = (flavor: Flavor): number => flavor.rootGb + flavor.ephemeralGb + Math.ceil(flavor.swapMb / 1024);

const free = {
  vcpus: (host: HostState) => Math.floor((host.vcpus - host.reservedVcpus) * host.cpuRatio) - host.vcpusUsed,
  memoryMb: (host: HostState) => Math.floor((host.memoryMb - host.reservedMemoryMb) * host.memoryRatio) - host.memoryMbUsed,
  diskGb: (host: HostState) => Math.floor((host.diskGb - host.reservedDiskGb) * host.diskRatio) - host.diskGbUsed,
};

/** Allocation ratios, global or of an aggregate, stand in the host's state already. */
export const vcpus: HostFilter = {
  name: 'vcpus',
  compile({ flavor }, { hosts }) {
    const wanted = flavor.vcpus;
    return (row) => hosts.freeVcpus[row]! >= wanted;
  },
  why: (host, { flavor }) => `with ${free.vcpus(host)} of ${flavor.vcpus} VCPUs free`,
  nearness: free.vcpus,
};

export const memory: HostFilter = {
  name: 'memory',
  compile({ flavor }, { hosts }) {
    const wanted = flavor.memoryMb;
    return (row) => hosts.freeMemoryMb[row]! >= wanted;
  },
  why: (host, { flavor }) => `with ${free.memoryMb(host)} of ${flavor.memoryMb} MiB free`,
  nearness: free.memoryMb,
};

export const disk: HostFilter = {
  name: 'disk',
  compile({ flavor }, { hosts }) {
    const wanted = diskGbOf(flavor);
    return (row) => hosts.freeDiskGb[row]! >= wanted;
  },
  why: (host, { flavor }) => `with ${free.diskGb(host)} of ${diskGbOf(flavor)} GiB of disk free`,
  nearness: free.diskGb,
};
