import { keptTest, type HostFilter } from '../filter.ts';

/** A request that names a zone fits only hosts of that zone. */
export const availabilityZone: HostFilter = {
  name: 'availability_zone',
  compile({ availabilityZone: wanted }, { hosts }) {
    if (wanted === null) return undefined;
    return keptTest(hosts, `zone ${JSON.stringify(wanted)}`, (host) => host.availabilityZone === wanted);
  },
  why: (_host, request) => `not in zone ${request.availabilityZone}`,
};
