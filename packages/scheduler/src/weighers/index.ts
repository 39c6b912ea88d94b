import type { HostWeigher } from '../weigher.ts';

export const weighers: readonly HostWeigher[] = [
  { name: 'ram', weight: (row, hosts) => hosts.freeMemoryMb[row]! },
  { name: 'cpu', weight: (row, hosts) => hosts.freeVcpus[row]! },
  { name: 'disk', weight: (row, hosts) => hosts.freeDiskGb[row]! },
  { name: 'io_ops', weight: (row, hosts) => hosts.ioOps[row]! },
  // Negative: a host that failed builds lately comes last.
  { name: 'build_failure', weight: (row, hosts) => -hosts.at(row)!.failedBuilds },
];
