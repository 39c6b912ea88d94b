import { PowerOperation, powerState, type computeContract, type DomainsReport } from '@kilonova/objects';
import type { Client } from '@kilonova/rpc';
import { leaveBehind } from '../db/cleanups.ts';
import * as domainReports from '../db/domain-reports.ts';
import { isUuid } from '../db/rows.ts';
import { findStrays, keepStrays, runningElsewhere, type Sighting, type Stray } from '../db/strays.ts';
import type { Services } from '../services.ts';

/** How many are named in a line of the log. */
const NAMED = 20;

export interface DomainReportParts {
  readonly services: Services;
  readonly cleaner: { ring(): void };
  readonly compute: Pick<Client<typeof computeContract>, 'at'>;
}

/**
 * Compares what runs on a host with what shall run there. What was released becomes the host's cleanup; what runs although
 * another host has the instance is stopped; what the database knows nothing of is shown to operators, and left alone.
 * What is missing, stopped or running for several rounds in a row although its instance is not is shown as it is.
 */
export async function takeDomains(parts: DomainReportParts, report: DomainsReport): Promise<void> {
  const { services } = parts;
  const { knex, random, config, log } = services;
  const { host, round, last } = report;
  const domains = report.domains.filter(({ uuid }) => isUuid(uuid)).map(({ uuid, generation, power }) => ({ uuid, generation, power }));
  const strays = await findStrays(knex, host, domains);
  await leaveReleased(parts, host, strays.filter(isReleased));
  const kept = strays.filter((stray) => !isReleased(stray));
  const fresh = await keepStrays(knex, { host, round, most: config.conductor.straysMax }, kept);
  if (fresh.length > 0)
    log.warn(
      { host, instanceUuids: fresh.slice(0, NAMED).map(({ uuid }) => uuid), strays: kept.length },
      'domains that this host was not given; they are left alone',
    );
  const outdated = [...kept.filter(({ standing }) => standing === 'outdated'), ...(await runningElsewhere(knex, host, domains))];
  await stopDoubles(
    parts,
    { host, round },
    outdated.filter(({ power }) => power === powerState.running),
  );

  const strayed = new Set(strays.map(keyOf));
  const own = domains.filter((domain) => !strayed.has(keyOf(domain)));
  if (!last) return domainReports.keepSightings(knex, { host, round, piece: random.uuid(), most: config.conductor.domainPiecesMax }, own);
  const { missedRounds: rounds, syncPowerStates: sync } = config.conductor;
  const { stopped, started } = await knex.transaction((trx) => domainReports.endRound(trx, { host, round, domains: own, rounds, sync }));
  if (stopped.length > 0) log.warn({ host, instanceUuids: stopped.slice(0, NAMED), stopped: stopped.length }, 'instances found stopped');
  if (started.length > 0) log.warn({ host, instanceUuids: started.slice(0, NAMED), started: started.length }, 'instances found running');
}

const isReleased = ({ standing }: Stray): boolean => standing === 'released';
const keyOf = ({ uuid, generation }: Sighting): string => `${uuid}/${generation}`;

async function leaveReleased({ services, cleaner }: DomainReportParts, host: string, strays: readonly Stray[]): Promise<void> {
  if (strays.length === 0) return;
  const { knex, random, log } = services;
  await knex.transaction((trx) =>
    leaveBehind(
      trx,
      strays.map(({ uuid, generation }) => ({
        ...{ host, instanceUuid: uuid, generation, requestId: `req-${random.uuid()}`, undoes: null },
        reason: 'runs there although it was released',
      })),
    ),
  );
  cleaner.ring();
  log.warn({ host, instanceUuids: strays.slice(0, NAMED).map(({ uuid }) => uuid), strays: strays.length }, 'released domains found');
}

/** Two of one instance must not run. Nobody waits for the answer: the next report shows whether it runs still. */
async function stopDoubles(
  { services: { random, config, log }, compute }: DomainReportParts,
  { host, round }: { readonly host: string; readonly round: number },
  doubles: readonly Sighting[],
): Promise<void> {
  const { powerDeadlineMs: allowedMs } = config.conductor;
  for (const { uuid: instanceUuid, generation } of doubles) {
    const requestId = `req-${random.uuid()}`;
    const operationId = `double/${instanceUuid}/${generation}/${round}`;
    log.warn({ host, instanceUuid, generation }, 'runs here and belongs elsewhere: it is stopped, and kept');
    const order = Object.assign(new PowerOperation(), { operationId, instanceUuid, generation, host, requestId, allowedMs, graceMs: 0 });
    await compute
      .at(host)
      .powerOff(order, { requestId })
      .catch((error: unknown) => {
        log.debug({ host, instanceUuid, error: String(error) }, 'stop not handed over, said again with the next report');
      });
  }
}
