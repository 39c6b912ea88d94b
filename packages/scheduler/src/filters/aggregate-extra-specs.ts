import type { HostState } from '@kilonova/objects';
import { keptTest, type HostFilter } from '../filter.ts';
import { isHostAttribute } from './host-attributes.ts';
import { satisfies } from './operators.ts';

const SCOPE = 'aggregate_instance_extra_specs:';
/** Bare keys that other parts read (the contract's list of extra specs, namespace "none"). */
const OTHERS = new Set(['group_policy', 'hide_hypervisor_id']);

/** Scoped keys, and bare ones that are neither an attribute of hosts nor read elsewhere. */
const requirementsOf = (extraSpecs: Record<string, string>): [key: string, requirement: string][] =>
  Object.entries(extraSpecs)
    .filter(([key]) => key.startsWith(SCOPE) || (!key.includes(':') && !OTHERS.has(key) && !isHostAttribute(key)))
    .map(([key, requirement]) => [key.startsWith(SCOPE) ? key.slice(SCOPE.length) : key, requirement]);

/** One aggregate of the host must have the key with a value that satisfies; a value may be a comma-separated list. */
const holds = (host: HostState, [key, requirement]: [string, string]) =>
  host.aggregates.some(
    ({ metadata }) => Object.hasOwn(metadata, key) && metadata[key]!.split(',').some((value) => satisfies(value.trim(), requirement)),
  );

/** The flavor's extra specs are found in the metadata of the host's aggregates; a missing key fails. */
export const aggregateExtraSpecs: HostFilter = {
  name: 'aggregate_extra_specs',
  compile({ flavor }, { hosts }) {
    const required = requirementsOf(flavor.extraSpecs);
    if (required.length === 0) return undefined;
    return keptTest(hosts, `aggregates ${JSON.stringify(required)}`, (host) => required.every((one) => holds(host, one)));
  },
  why(host, { flavor }) {
    const [key, requirement] = requirementsOf(flavor.extraSpecs).find((one) => !holds(host, one)) ?? ['', ''];
    return `not in an aggregate with ${key}=${requirement}`;
  },
};
