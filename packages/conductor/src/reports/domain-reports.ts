import type { DomainsReport } from '@kilonova/objects';
import { leaveBehind } from '../db/cleanups.ts';
import * as domainReports from '../db/domain-reports.ts';
import { isUuid } from '../db/rows.ts';
import type { Services } from '../services.ts';

/**
 * Compares what runs on a host with what shall run there. What the database does not give to the host at that generation
 * must go and becomes its cleanup; what is missing or stopped for several rounds in a row is shown as stopped.
 */
export async function takeDomains(services: Services, cleaner: { ring(): void }, report: DomainsReport): Promise<void> {
  const { knex, random, config, log } = services;
  const { host, round, last } = report;
  const domains = report.domains.filter(({ uuid }) => isUuid(uuid)).map(({ uuid, generation, power }) => ({ uuid, generation, power }));
  const strays = await domainReports.findStrays(knex, host, domains);
  if (strays.length > 0) {
    await knex.transaction((trx) =>
      leaveBehind(
        trx,
        strays.map(({ uuid, generation }) => ({
          host,
          instanceUuid: uuid,
          generation,
          requestId: `req-${random.uuid()}`,
          undoes: null,
          reason: "runs there without being the host's",
        })),
      ),
    );
    cleaner.ring();
    log.warn({ host, instanceUuids: strays.slice(0, 20).map(({ uuid }) => uuid), strays: strays.length }, 'stray domains found');
  }
  const own = domains.filter(({ uuid, generation }) => !strays.some((stray) => stray.uuid === uuid && stray.generation === generation));
  if (!last) return domainReports.keepSightings(knex, host, round, random.uuid(), own);
  const { missedRounds: rounds, syncPowerStates: sync } = config.conductor;
  const stopped = await knex.transaction((trx) => domainReports.endRound(trx, { host, round, domains: own, rounds, sync }));
  if (stopped.length > 0) log.warn({ host, instanceUuids: stopped.slice(0, 20), stopped: stopped.length }, 'instances found stopped');
}
