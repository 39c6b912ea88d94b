import type { HostState } from '@kilonova/objects';
import type { HostFilter } from '../filter.ts';
import { smallestOfAggregates } from '../aggregate-metadata.ts';

/** Of a host: the smallest that its aggregates give, else the operator's, where 0 is none. */
const limit = (key: string, configured: number) => (host: HostState) =>
  smallestOfAggregates(host, key) ?? (configured === 0 ? Infinity : configured);

/** Fewer heavy disk operations than the limit, which an aggregate's `max_io_ops_per_host` overrides. */
export const ioOps = (maxIoOpsPerHost: number): HostFilter => {
  const limitOf = limit('max_io_ops_per_host', maxIoOpsPerHost);
  return {
    name: 'io_ops',
    compile:
      (_request, { hosts }) =>
      (row) =>
        hosts.ioOps[row]! < limitOf(hosts.at(row)!),
    why: (host) => `with ${host.ioOps} of at most ${limitOf(host)} I/O operations`,
    nearness: (host) => limitOf(host) - host.ioOps,
  };
};

/** Fewer instances than the limit, which an aggregate's `max_instances_per_host` overrides. */
export const numInstances = (maxInstancesPerHost: number): HostFilter => {
  const limitOf = limit('max_instances_per_host', maxInstancesPerHost);
  return {
    name: 'num_instances',
    compile:
      (_request, { hosts }) =>
      (row) =>
        hosts.instances[row]! < limitOf(hosts.at(row)!),
    why: (host) => `with ${host.instances} of at most ${limitOf(host)} instances`,
    nearness: (host) => limitOf(host) - host.instances,
  };
};
