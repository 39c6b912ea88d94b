import type { HostRequest } from '@kilonova/objects';
import { rowsOf, type Candidates } from '../filter.ts';
import type { RequestWeigher, RowWeights } from '../weigher.ts';

/** Members of the request's server group per row, with those that this request has just placed, times `sign`. */
function membersOn({ group }: HostRequest, { hosts, placed }: Candidates, sign: 1 | -1): RowWeights {
  const byHost = group?.membersByHost ?? {};
  const members = new Map(Object.entries(byHost).map(([host, count]) => [hosts.rowOf(host), count]));
  return {
    rows: rowsOf(hosts, Object.keys(byHost)),
    of: (row) => sign * ((members.get(row) ?? 0) + placed.on(row)),
  };
}

/** Prefers hosts with more members of a group with the policy soft-affinity. */
export const softAffinity: RequestWeigher = {
  name: 'soft_affinity',
  compile: (request, candidates) => (request.group?.policy === 'soft-affinity' ? membersOn(request, candidates, 1) : undefined),
};

/** Prefers hosts with fewer members of a group with the policy soft-anti-affinity. */
export const softAntiAffinity: RequestWeigher = {
  name: 'soft_anti_affinity',
  compile: (request, candidates) => (request.group?.policy === 'soft-anti-affinity' ? membersOn(request, candidates, -1) : undefined),
};
