import type { SchedulerConfig } from '../config.ts';
import type { HostFilter } from '../filter.ts';
import { aggregateExtraSpecs } from './aggregate-extra-specs.ts';
import { availabilityZone } from './availability-zone.ts';
import { computeCapabilities } from './compute-capabilities.ts';
import { computeStatus } from './compute-status.ts';
import { excludedHosts } from './excluded-hosts.ts';
import { imageProperties } from './image-properties.ts';
import { isolatedHosts } from './isolated-hosts.ts';
import { ioOps, numInstances } from './load.ts';
import { checkFilterName } from './names.ts';
import { differentHost, sameHost } from './other-servers.ts';
import { disk, memory, vcpus } from './resources.ts';
import { affinity, antiAffinity } from './server-group.ts';

/** Every filter, what depends on a class of requests first. */
const filtersFor = (config: SchedulerConfig): readonly HostFilter[] => [
  availabilityZone,
  computeStatus,
  aggregateExtraSpecs,
  computeCapabilities,
  imageProperties,
  isolatedHosts(config),
  excludedHosts,
  differentHost,
  sameHost,
  affinity,
  antiAffinity,
  memory,
  vcpus,
  disk,
  ioOps(config.maxIoOpsPerHost),
  numInstances(config.maxInstancesPerHost),
];

/**
 * The filters that the operator chose, in our order; an empty choice means all.
 *
 * @throws Error that names an unknown filter and lists the known ones.
 */
export function enabledFilters(config: SchedulerConfig): readonly HostFilter[] {
  for (const name of config.enabledFilters) checkFilterName(name);
  const all = filtersFor(config);
  return config.enabledFilters.length === 0 ? all : all.filter(({ name }) => config.enabledFilters.includes(name));
}
