import type { HostState } from '@kilonova/objects';
import { keptTest, type HostFilter } from '../filter.ts';
import { isHostAttribute, readAttribute } from './host-attributes.ts';
import { satisfies } from './operators.ts';

const SCOPE = 'capabilities:';

/** `capabilities:` extra specs, and bare ones that name an attribute of hosts. */
const requirementsOf = (extraSpecs: Record<string, string>): [path: string, requirement: string][] =>
  Object.entries(extraSpecs)
    .filter(([key]) => key.startsWith(SCOPE) || isHostAttribute(key))
    .map(([key, requirement]) => [key.startsWith(SCOPE) ? key.slice(SCOPE.length) : key, requirement]);

const holds = (host: HostState, [path, requirement]: [string, string]) => {
  const have = readAttribute(host, path);
  return have !== undefined && satisfies(have, requirement);
};

export const computeCapabilities: HostFilter = {
  name: 'compute_capabilities',
  compile({ flavor }, { hosts }) {
    const required = requirementsOf(flavor.extraSpecs);
    if (required.length === 0) return undefined;
    return keptTest(hosts, `capabilities ${JSON.stringify(required)}`, (host) => required.every((one) => holds(host, one)));
  },
  why(host, { flavor }) {
    const [path, requirement] = requirementsOf(flavor.extraSpecs).find((one) => !holds(host, one)) ?? ['', ''];
    return `without capability ${path} ${requirement} (has ${readAttribute(host, path) ?? 'none'})`;
  },
};
