import type { HostRequest } from '@kilonova/objects';
import type { Candidates } from '../filter.ts';
import type { HostWeigher } from '../weigher.ts';

/** Members of the request's server group per row, with those that this request has just placed. */
function membersOn({ group }: HostRequest, { hosts, placed }: Candidates): (row: number) => number {
  const members = new Map(Object.entries(group?.membersByHost ?? {}).map(([host, count]) => [hosts.rowOf(host), count]));
  return (row) => (members.get(row) ?? 0) + placed.on(row);
}

/** Prefers hosts with more members of a group with the policy soft-affinity. */
export const softAffinity: HostWeigher = {
  name: 'soft_affinity',
  compile: (request, candidates) => (request.group?.policy === 'soft-affinity' ? membersOn(request, candidates) : undefined),
};

/** Prefers hosts with fewer members of a group with the policy soft-anti-affinity. */
export const softAntiAffinity: HostWeigher = {
  name: 'soft_anti_affinity',
  compile(request, candidates) {
    if (request.group?.policy !== 'soft-anti-affinity') return undefined;
    const members = membersOn(request, candidates);
    return (row) => -members(row);
  },
};
