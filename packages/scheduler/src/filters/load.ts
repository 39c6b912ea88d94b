import type { HostState } from '@kilonova/objects';
import { smallestOfAggregates } from '../aggregate-metadata.ts';
import type { HostFilter } from '../filter.ts';
import type { HostTable } from '../snapshot/host-table.ts';

/** Of a host: the smallest that its aggregates give, else the operator's, where 0 is none. */
const limit = (key: string, configured: number) => {
  const otherwise = configured === 0 ? Infinity : configured;
  const given = (host: HostState) => smallestOfAggregates(host, key);
  return {
    of: (host: HostState) => given(host) ?? otherwise,
    ofRow(hosts: HostTable): (row: number) => number {
      const overrides = hosts.numbersOf(key, given);
      return (row) => overrides.of(row) ?? otherwise;
    },
  };
};

/** Fewer heavy disk operations than the limit, which an aggregate's `max_io_ops_per_host` overrides. */
export const ioOps = (maxIoOpsPerHost: number): HostFilter => {
  const most = limit('max_io_ops_per_host', maxIoOpsPerHost);
  return {
    name: 'io_ops',
    compile(_request, { hosts }) {
      const limitOf = most.ofRow(hosts);
      return { classKey: 'io_ops', test: (row) => hosts.ioOps[row]! < limitOf(row) };
    },
    why: (host) => `with ${host.ioOps} of at most ${most.of(host)} I/O operations`,
    nearness: (host) => most.of(host) - host.ioOps,
  };
};

/** Fewer instances than the limit, which an aggregate's `max_instances_per_host` overrides. */
export const numInstances = (maxInstancesPerHost: number): HostFilter => {
  const most = limit('max_instances_per_host', maxInstancesPerHost);
  return {
    name: 'num_instances',
    compile(_request, { hosts }) {
      const limitOf = most.ofRow(hosts);
      return { classKey: 'instances', test: (row) => hosts.instances[row]! < limitOf(row) };
    },
    why: (host) => `with ${host.instances} of at most ${most.of(host)} instances`,
    nearness: (host) => most.of(host) - host.instances,
  };
};
