import type { HostFilter } from '../filter.ts';

/** A request that names a zone fits only hosts of that zone. */
export const availabilityZone: HostFilter = {
  name: 'availability_zone',
  compile({ availabilityZone: wanted }, { hosts }) {
    if (wanted === null) return undefined;
    const inZone = hosts.setOf(`zone ${wanted}`, (host) => host.availabilityZone === wanted);
    return (row) => inZone.has(row);
  },
  why: (_host, request) => `not in zone ${request.availabilityZone}`,
};
