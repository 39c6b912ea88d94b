import { type computeContract, ConductorVersion, failure, HostReturn, type hostReportsContract, ReportsAccepted } from '@kilonova/objects';
import { type Client, Empty, type Handlers } from '@kilonova/rpc';
import { speaksFor } from './db/host-registration.ts';
import { asRefusal } from './db/refusals.ts';
import { asServiceError } from './db/unavailable.ts';
import { assertHostAccount } from './hosts/host-account.ts';
import type { Heartbeats } from './hosts/heartbeats.ts';
import type { HostReturns } from './hosts/host-returns.ts';
import type { Registrations } from './hosts/registrations.ts';
import { takeDomains } from './reports/domain-reports.ts';
import type { OperationReports } from './reports/operation-reports.ts';
import type { TransferReports } from './reports/transfer-reports.ts';
import type { Services } from './services.ts';
import type { PeerVersions } from './versions/peers.ts';

export interface HostReportParts {
  readonly services: Services;
  readonly heartbeats: Heartbeats;
  readonly registrations: Registrations;
  readonly returns: HostReturns;
  readonly operations: OperationReports;
  readonly transfers: TransferReports;
  readonly cleaner: { ring(): void };
  readonly versions: Pick<PeerVersions, 'registered' | 'oldestConductor'>;
  readonly compute: Pick<Client<typeof computeContract>, 'at'>;
}

/** Every method of the hosts' contract and the function that does it. A host speaks for itself only. */
export function hostReportHandlers(parts: HostReportParts): Handlers<typeof hostReportsContract> {
  const { services, heartbeats, registrations, returns, operations, transfers, versions } = parts;
  const enforced = services.config.conductor.enforceHostAccounts;
  const told = async <T>(act: () => Promise<T>): Promise<T> => {
    try {
      return await act();
    } catch (error) {
      throw asServiceError(asRefusal(error));
    }
  };
  return {
    register: (context, registration) =>
      told(async () => {
        await registrations.take(context, registration);
        versions.registered(registration.host, registration.version);
        return new Empty();
      }),
    heartbeat: (context, beat) => heartbeats.noteHost(context, beat),
    reportOperations: (context, { host, reports }) =>
      told(async () => {
        assertHostAccount(context, host, enforced);
        return Object.assign(new ReportsAccepted(), { operationIds: await operations.take(host, reports) });
      }),
    reportTransfers: (context, { host, transfers: reports }) => {
      assertHostAccount(context, host, enforced);
      transfers.take(host, reports);
    },
    reportDomains: (context, report) =>
      told(async () => {
        assertHostAccount(context, report.host, enforced);
        if (!(await speaksFor(services.knex, report.host, report.agent))) {
          services.log.error({ host: report.host, agent: report.agent }, 'two agents speak for one host: the older one is refused');
          throw failure('AgentSuperseded', `Another process registered as host ${report.host} since this one did.`);
        }
        await takeDomains(parts, report);
        return new Empty();
      }),
    hostReturn: () => told(async () => Object.assign(new HostReturn(), { spreadMs: await returns.spreadMs() })),
    oldestConductor: () => Object.assign(new ConductorVersion(), { oldest: versions.oldestConductor }),
  };
}
