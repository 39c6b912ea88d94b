import { call, defineContract, fanout } from '@kilonova/rpc';
import { version } from '../history.ts';
import { HostChange } from '../objects/host-change.ts';
import { HostRequest, HostRequests } from '../objects/host-request.ts';
import { HostAnswers, HostSelections } from '../objects/host-selections.ts';

/** The scheduler is asked, and told news; it never commands. */
export const schedulerContract = defineContract({
  topic: 'scheduler',
  version,
  methods: {
    selectDestinations: call({ since: '1.0', request: HostRequest, response: HostSelections, idempotent: true }),
    selectTogether: call({ since: '1.1', request: HostRequests, response: HostAnswers, idempotent: true }),
    hostsChanged: fanout({ since: '1.0', request: HostChange }),
  },
});
