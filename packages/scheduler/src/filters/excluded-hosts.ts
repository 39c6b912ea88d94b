import type { HostFilter } from '../filter.ts';

/** Hosts that failed this request before, or that the request forbids by naming another. */
export const excludedHosts: HostFilter = {
  name: 'excluded_hosts',
  compile({ excludedHosts: excluded, requestedHost }, { hosts }) {
    if (excluded.length === 0 && requestedHost === null) return undefined;
    const refused = new Set(excluded.map((host) => hosts.rowOf(host)));
    const only = requestedHost === null ? null : hosts.rowOf(requestedHost);
    return (row) => !refused.has(row) && (only === null || row === only);
  },
  why: (host, { excludedHosts: excluded, requestedHost }) =>
    excluded.includes(host.host) ? 'already tried' : `not the requested host ${requestedHost}`,
};
