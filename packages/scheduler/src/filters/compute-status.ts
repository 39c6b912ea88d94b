import type { HostFilter } from '../filter.ts';

/** Only hosts that an operator enabled and that report. */
export const computeStatus: HostFilter = {
  name: 'compute_status',
  compile(_request, { hosts }) {
    const usable = hosts.setOf('usable', (host) => host.enabled && host.up);
    return (row) => usable.has(row);
  },
  why: (host) => (host.enabled ? 'not reporting' : 'disabled'),
};
