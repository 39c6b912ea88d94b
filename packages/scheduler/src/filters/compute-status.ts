import { keptTest, type HostFilter } from '../filter.ts';

/** Only hosts that an operator enabled and that report. */
export const computeStatus: HostFilter = {
  name: 'compute_status',
  compile: (_request, { hosts }) => keptTest(hosts, 'usable', (host) => host.enabled && host.up),
  apart: true,
  why: (host) => (host.enabled ? 'not reporting' : 'disabled'),
};
