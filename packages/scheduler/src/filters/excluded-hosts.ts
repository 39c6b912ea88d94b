import type { HostFilter } from '../filter.ts';

/**
 * Hosts that failed this request before or have the server already, or that the request forbids by naming another. Which of the
 * excluded ones was tried the request does not say; one that is wanted all the same was.
 */
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
  apart: true,
  why({ host }, { requestedHost }) {
    if (requestedHost === null) return 'with the server on it or tried before';
    return host === requestedHost ? 'already tried' : `not the requested host ${requestedHost}`;
  },
};
