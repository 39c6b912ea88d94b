import type { HostWeigher } from '../weigher.ts';
import { softAffinity, softAntiAffinity } from './soft-group.ts';

export const weighers: readonly HostWeigher[] = [
  {
    name: 'ram',
    compile:
      (_request, { hosts }) =>
      (row) =>
        hosts.freeMemoryMb[row]!,
  },
  {
    name: 'cpu',
    compile:
      (_request, { hosts }) =>
      (row) =>
        hosts.freeVcpus[row]!,
  },
  {
    name: 'disk',
    compile:
      (_request, { hosts }) =>
      (row) =>
        hosts.freeDiskGb[row]!,
  },
  {
    name: 'io_ops',
    compile:
      (_request, { hosts }) =>
      (row) =>
        hosts.ioOps[row]!,
  },
  {
    name: 'build_failure',
    // Negative: a host that failed builds lately comes last.
    compile:
      (_request, { hosts }) =>
      (row) =>
        -hosts.at(row)!.failedBuilds,
  },
  softAffinity,
  softAntiAffinity,
];
