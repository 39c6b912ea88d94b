import type { Flavor, HostState } from '@kilonova/objects';
import type { HostFilter } from '../filter.ts';
import { capacityOf } from '../snapshot/capacity.ts';

/** MiB of swap count as disk, rounded up to GiB, as the claim counts them. */
export const diskGbOf = (flavor: Flavor): number => flavor.rootGb + flavor.ephemeralGb + Math.ceil(flavor.swapMb / 1024);

const free = {
  vcpus: (host: HostState) => capacityOf(host).vcpus - host.vcpusUsed,
  memoryMb: (host: HostState) => capacityOf(host).memoryMb - host.memoryMbUsed,
  diskGb: (host: HostState) => capacityOf(host).diskGb - host.diskGbUsed,
};

/** Allocation ratios, global or of an aggregate, stand in the host's state already. */
export const vcpus: HostFilter = {
  name: 'vcpus',
  compile({ flavor }, { hosts }) {
    const wanted = flavor.vcpus;
    return { classKey: `vcpus ${wanted}`, test: (row) => hosts.freeVcpus[row]! >= wanted };
  },
  why: (host, { flavor }) => `with ${free.vcpus(host)} of ${flavor.vcpus} VCPUs free`,
  nearness: free.vcpus,
};

export const memory: HostFilter = {
  name: 'memory',
  compile({ flavor }, { hosts }) {
    const wanted = flavor.memoryMb;
    return { classKey: `memoryMb ${wanted}`, test: (row) => hosts.freeMemoryMb[row]! >= wanted };
  },
  why: (host, { flavor }) => `with ${free.memoryMb(host)} of ${flavor.memoryMb} MiB free`,
  nearness: free.memoryMb,
};

export const disk: HostFilter = {
  name: 'disk',
  compile({ flavor }, { hosts }) {
    const wanted = diskGbOf(flavor);
    return { classKey: `diskGb ${wanted}`, test: (row) => hosts.freeDiskGb[row]! >= wanted };
  },
  why: (host, { flavor }) => `with ${free.diskGb(host)} of ${diskGbOf(flavor)} GiB of disk free`,
  nearness: free.diskGb,
};
