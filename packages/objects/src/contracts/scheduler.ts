import { call, defineContract, fanout } from '@kilonova/rpc';
import { version } from '../history.ts';
import { HostChange } from '../objects/host-change.ts';
import { HostRequest } from '../objects/host-request.ts';
import { HostSelections } from '../objects/host-selections.ts';

/** The scheduler is asked, and told news; it never commands. */
export const schedulerContract = defineContract({
  topic: 'scheduler',
  version,
  methods: {
    selectDestinations: call({ since: '1.0', request: HostRequest, response: HostSelections, idempotent: true }),
    hostsChanged: fanout({ since: '1.0', request: HostChange }),
  },
});
