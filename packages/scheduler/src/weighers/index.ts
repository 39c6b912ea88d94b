import type { HostWeigher, RequestWeigher } from '../weigher.ts';
import { softAffinity, softAntiAffinity } from './soft-group.ts';

/** As many heavy disk operations as Nova lets a host have by default. */
const MANY_IO_OPS = 8;

/** A part of a whole that may be nothing. */
const share = (part: number, whole: number) => part / Math.max(1, whole);

export const hostWeighers: readonly HostWeigher[] = [
  { name: 'ram', weight: (hosts, row) => share(hosts.freeMemoryMb[row]!, hosts.largest().memoryMb) },
  { name: 'cpu', weight: (hosts, row) => share(hosts.freeVcpus[row]!, hosts.largest().vcpus) },
  { name: 'disk', weight: (hosts, row) => share(hosts.freeDiskGb[row]!, hosts.largest().diskGb) },
  { name: 'io_ops', weight: (hosts, row) => share(hosts.ioOps[row]!, MANY_IO_OPS) },
  // Negative: a host that failed builds lately comes last.
  { name: 'build_failure', weight: (hosts, row) => -hosts.at(row)!.failedBuilds },
];

export const requestWeighers: readonly RequestWeigher[] = [softAffinity, softAntiAffinity];
