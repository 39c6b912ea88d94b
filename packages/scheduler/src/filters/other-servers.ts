import { rowsOf, type HostFilter } from '../filter.ts';

/** The hint different_host: none of the named servers is there. */
export const differentHost: HostFilter = {
  name: 'different_host',
  compile({ differentHosts }, { hosts }) {
    if (differentHosts === null) return undefined;
    const taken = new Set(rowsOf(hosts, differentHosts));
    return { test: (row) => !taken.has(row) };
  },
  why: () => 'with a server that the hint different_host names',
};

/** The hint same_host: one of the named servers is there. */
export const sameHost: HostFilter = {
  name: 'same_host',
  compile({ sameHosts }, { hosts }) {
    if (sameHosts === null) return undefined;
    const wanted = new Set(rowsOf(hosts, sameHosts));
    return { test: (row) => wanted.has(row), only: () => [...wanted] };
  },
  why: () => 'without a server that the hint same_host names',
};
