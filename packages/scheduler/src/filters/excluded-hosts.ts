import type { HostFilter } from '../filter.ts';

/** Hosts that failed this request before, or that the request forbids by naming another. */
export const excludedHosts: HostFilter = {
  name: 'excluded_hosts',
  compile({ excludedHosts: excluded, requestedHost }, { hosts }) {
    if (excluded.length === 0 && requestedHost === null) return undefined;
    const refused = new Set(excluded.map((host) => hosts.rowOf(host)));
    if (requestedHost === null) return { test: (row) => !refused.has(row) };
    const requested = hosts.rowOf(requestedHost);
    return {
      test: (row) => !refused.has(row) && row === requested,
      only: () => (requested === undefined ? [] : [requested]),
    };
  },
  why: (host, { excludedHosts: excluded, requestedHost }) =>
    excluded.includes(host.host) ? 'already tried' : `not the requested host ${requestedHost}`,
};
