import { call, cast, defineContract, Empty } from '@kilonova/rpc';
import { version } from '../history.ts';
import {
  DomainsReport,
  HostHeartbeat,
  HostRegistration,
  HostReturn,
  OperationReports,
  ReportsAccepted,
  TransferReports,
} from '../objects/host-report.ts';
import { ConductorVersion } from '../objects/service.ts';

/**
 * What hosts say to the conductor. The caller is the broker-validated account of the host; what it says counts only for
 * instances that the database gives it.
 */
export const hostReportsContract = defineContract({
  topic: 'host-reports',
  version,
  exchange: 'from-hosts',
  // The database remembers, and asks again. Calls are answered, and a lost sign of life changes nothing: confirming it would cost
  // the broker a third more.
  delivery: { failure: { outcome: 'drop' }, confirm: false },
  methods: {
    register: call({ since: '1.0', request: HostRegistration, response: Empty, idempotent: true }),
    heartbeat: cast({ since: '1.0', request: HostHeartbeat }),
    reportOperations: call({ since: '1.0', request: OperationReports, response: ReportsAccepted, idempotent: true }),
    reportTransfers: cast({ since: '1.1', request: TransferReports }),
    reportDomains: call({ since: '1.0', request: DomainsReport, response: Empty, idempotent: true }),
    hostReturn: call({ since: '1.3', request: Empty, response: HostReturn, idempotent: true }),
    oldestConductor: call({ since: '1.2', request: Empty, response: ConductorVersion, idempotent: true }),
  },
});
