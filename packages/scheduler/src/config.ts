import { decimal, flag, integer, list, section, type SectionValues } from '@kilonova/runtime';
import { checkFilterName } from './filters/names.ts';

const multiplier = (what: string, fallback: number) =>
  decimal(fallback, {
    help: `Weight of ${what}; negative prefers less. Aggregate metadata overrides it, the smallest of several winning.`,
  });

export const schedulerSection = section('scheduler', {
  enabledFilters: list([], { help: 'Names of the filters to use; empty means all.', check: checkFilterName }),
  hostSubsetSize: integer(1, { min: 1, max: 1000, help: 'A host is drawn at random from this many best ones.' }),
  maxIoOpsPerHost: integer(0, {
    min: 0,
    help: 'Hosts with as many heavy disk operations get no more; 0 is no limit. Aggregate metadata of this name overrides it.',
  }),
  maxInstancesPerHost: integer(0, {
    min: 0,
    help: 'Hosts with as many instances get no more; 0 is no limit. Aggregate metadata of this name overrides it.',
  }),
  isolatedHosts: list([], { help: 'Hosts that are kept for isolated images.' }),
  isolatedImages: list([], { help: 'Ids of images that run on isolated hosts only.' }),
  restrictIsolatedHostsToIsolatedImages: flag(true, { help: 'Other images keep off isolated hosts.' }),
  ramWeightMultiplier: multiplier('free memory', 1),
  cpuWeightMultiplier: multiplier('free VCPUs', 1),
  diskWeightMultiplier: multiplier('free disk', 1),
  ioOpsWeightMultiplier: multiplier('heavy disk operations', -1),
  buildFailureWeightMultiplier: multiplier('builds that did not fail lately', 1_000_000),
  softAffinityWeightMultiplier: multiplier('members of a soft-affinity group', 10),
  softAntiAffinityWeightMultiplier: multiplier('the absence of members of a soft-anti-affinity group', 10),
  answerKeptMs: integer(3_000, { min: 0, max: 60_000, help: 'How long an answer counts as used until its claim shows.' }),
  maxKeptSets: integer(256, { min: 1, max: 100_000, help: 'Sets of hosts (those of a zone, with an extra spec, ...) that are kept.' }),
  maxKeptOrders: integer(128, {
    min: 1,
    max: 10_000,
    help: 'Classes of requests (zone, size, extra specs) whose hosts are kept in order; 10 bytes per host each. A request of any other looks at all hosts.',
  }),
  maxInstancesPerRequest: integer(10_000, { min: 1, help: 'More instances in one request are refused.' }),
  maxAlternates: integer(10, { min: 0, max: 100, help: 'Alternates given per instance at most.' }),
  concurrency: integer(64, { min: 1, help: 'Requests in hand at once.' }),
  digestIntervalMs: integer(10_000, { min: 500, help: 'How often the snapshot is compared with the conductor.' }),
  heartbeatIntervalMs: integer(10_000, { min: 500, help: 'How often the scheduler says that it lives.' }),
  pinAskMs: integer(2_000, {
    min: 20,
    help: 'How often the conductors are asked for their oldest version, as long as that is older than the scheduler.',
  }),
  reloadRetryMs: integer(500, { min: 50, help: 'Wait before a snapshot that could not be loaded is asked for again.' }),
});
export type SchedulerConfig = SectionValues<typeof schedulerSection>;
