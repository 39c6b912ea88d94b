import { computeContract, conductorContract, hostReportsContract, OperationInquiry, schedulerContract, version } from '@kilonova/objects';
import { createClient, serve, type Server, serveSteward, type StewardGrant, transportHealth, type Transport } from '@kilonova/rpc';
import { type Check, type Clock, healthOf, type RunningService, type Surroundings } from '@kilonova/runtime';
import { hostname } from 'node:os';
import type { ConductorSettings } from './config.ts';
import { type Database, openDatabase } from './db/connection.ts';
import { hostStates } from './db/host-states.ts';
import { compareMigrations, newerRelease } from './db/migrate.ts';
import { isUnavailable } from './db/unavailable.ts';
import { conductorHandlers } from './handlers/index.ts';
import { hostReportHandlers } from './host-reports.ts';
import { InvariantWatch } from './invariants/watch.ts';
import { HostGate } from './hosts/host-gate.ts';
import { Heartbeats } from './hosts/heartbeats.ts';
import { HostReturns } from './hosts/host-returns.ts';
import { HostPublisher } from './hosts/publisher.ts';
import { Registrations } from './hosts/registrations.ts';
import { Upkeep } from './hosts/upkeep.ts';
import { OperationReports } from './reports/operation-reports.ts';
import { TransferReports } from './reports/transfer-reports.ts';
import { databaseMetrics } from './metrics.ts';
import type { Services } from './services.ts';
import { actionAcceptance } from './tasks/accept-action.ts';
import { Cleaner } from './tasks/cleaner.ts';
import { taskDefinitions } from './tasks/definitions.ts';
import { Engine } from './tasks/engine/engine.ts';
import { Loop } from './tasks/engine/loop.ts';
import { engineMetrics, inHandMetrics } from './tasks/engine/metrics.ts';
import { Places } from './tasks/engine/places.ts';
import { ClaimCounts } from './tasks/claim-counts.ts';
import { HostQuestions } from './tasks/host-questions.ts';
import { confirmOverdue } from './tasks/moves/overdue-confirmations.ts';
import type { TaskServices } from './tasks/services.ts';
import { endNewerTasks } from './versions/hand-over.ts';
import { ordersSaidAgain } from './versions/orders-said-again.ts';
import { PeerVersions } from './versions/peers.ts';

export interface ConductorParts extends Surroundings {
  readonly config: ConductorSettings;
  /** Stays open at stop: whoever opened it closes it. */
  readonly transport: Transport;
  /** Default: a pool of its own, from the configuration. One that is handed in stays open. */
  readonly database?: Database;
  /** Version to speak to schedulers and hosts, MAJOR.MINOR; by default what each of them understands. */
  readonly pin?: string | (() => string);
}

/**
 * Starts a conductor: waits for its database, takes its lease, serves requests and hosts' reports, drives tasks.
 *
 * @throws Error when the database does not come within `database.startWaitMs`, or is not migrated.
 */
export async function startConductor(parts: ConductorParts): Promise<RunningService> {
  const { config, transport, clock, random, log, metrics } = parts;
  const knex = parts.database ?? openDatabase(config.database);
  const closing: (() => Promise<void>)[] = parts.database === undefined ? [() => knex.destroy()] : [];
  const closeAll = async () => {
    for (const close of closing.splice(0).toReversed()) {
      await close().catch((error: unknown) => log.warn({ error: String(error) }, 'a part did not close well'));
    }
  };
  try {
    await untilReady(parts, knex);
    const uncounted = databaseMetrics(metrics, knex, log, taskDefinitions.kinds);
    closing.push(async () => uncounted());
    const versions = new PeerVersions({ knex, clock, log, metrics, config }, parts.pin);
    await versions.start();
    closing.push(() => versions.stop());
    const scheduler = createClient(transport, schedulerContract, { pin: versions.ofSchedulers, onOlderPeer: versions.schedulerIsOlder });
    const compute = createClient(transport, computeContract, { pin: versions.ofHost, onOlderPeer: (peer) => sayAgain(peer) });
    const id = random.uuid();
    const limits = config.conductor;
    const publisher = new HostPublisher({
      ...{ id, clock, log, collectMs: limits.publishCollectMs, pieceHosts: limits.publishPieceHosts, retryMs: limits.publishRetryMs },
      read: (hosts) => hostStates(knex, hosts, limits.defaultZone),
      tell: (change) => scheduler.hostsChanged(change),
    });
    closing.push(() => publisher.stop());
    const cleaner = new Cleaner({ knex, clock, log, config: limits, compute });
    const host = limits.host === '' ? hostname() : limits.host;
    const questions = new HostQuestions({ knex, clock, scheduler, config: limits });
    const claims = new ClaimCounts(metrics);
    const taskServices: TaskServices = {
      ...{ knex, questions, claims, clock, random, log, config: limits, publisher, scheduler, compute, cleaner },
      knows: (kind) => engine.knows(kind),
    };
    const places = new Places({ concurrency: limits.taskConcurrency, patienceMs: limits.taskPatienceMs, clock });
    const engine: Engine<TaskServices> = new Engine<TaskServices>({
      ...{ knex, places, clock, random, log, settings: limits, definitions: taskDefinitions, services: taskServices, self: { id, host } },
      minor: () => versions.conductorMinor,
      metrics: engineMetrics(metrics),
      inquire: (name, operationIds) =>
        compute.at(name).inquire(Object.assign(new OperationInquiry(), { host: name, operationIds: [...operationIds] })),
    });
    inHandMetrics(metrics, () => engine.inHand, limits.tasksInHand);
    await engine.start();
    closing.push(() => engine.stop());
    cleaner.start();
    closing.push(() => cleaner.stop());

    const services: Services = { knex, clock, random, log, metrics, config, engine, publisher, scheduler };
    const sayAgain = ordersSaidAgain(services, versions, cleaner);
    const heartbeats = new Heartbeats(services);
    closing.push(() => heartbeats.stop());
    const registrations = new Registrations(services, () => cleaner.ring());
    let heardSince: number | undefined = clock.monotonic();
    closing.push(async () => unheard());
    const unheard = transport.onChange((connected) => {
      heardSince = connected ? clock.monotonic() : undefined;
    });
    const returns = new HostReturns(services);
    const upkeep = new Upkeep(
      services,
      () => heardSince,
      () => returns.spreadMs(),
    );
    upkeep.start();
    closing.push(() => upkeep.stop());
    const watch = new InvariantWatch(services);
    watch.start();
    closing.push(() => watch.stop());
    const signs = new Loop('signs of life', limits.heartbeatMs, parts, async () =>
      heartbeats.noteService({ binary: 'nova-conductor', host, version }),
    );
    closing.push(() => signs.stop());

    if (limits.resizeConfirmWindowS > 0) {
      const confirming = new Loop('resize confirmations', limits.resizeConfirmLookMs, parts, () => confirmOverdue(services));
      closing.push(() => confirming.stop());
    }

    const gate = new HostGate(services);
    const operations = new OperationReports({
      batch: limits.reportBatch,
      places,
      move: (find) => engine.move(find),
      publisher,
      onUnbelieved: (reporter, count, of) => {
        gate.note(`compute.${reporter}`, 'NotGiven', count);
        log.warn({ host: reporter, reports: count, of }, 'reports of what the host was not given, not believed');
      },
    });
    const transfers = new TransferReports(services);
    closing.push(() => transfers.stop());
    const serving: Server[] = [];
    closing.push(async () => void (await Promise.all(serving.map((server) => server.stop()))));
    const graceMs = limits.stopGraceMs;
    serving.push(
      await serve(
        transport,
        hostReportsContract,
        hostReportHandlers({ services, heartbeats, registrations, returns, operations, transfers, cleaner, versions, compute }),
        {
          ...{ graceMs, interceptors: [gate.intercept] },
          // A host that names another place would have the conductor speak there.
          ...(limits.enforceHostAccounts && { repliesTo: (account: string) => `reply.${account}` }),
        },
      ),
    );
    serving.push(
      await serve(
        transport,
        conductorContract,
        conductorHandlers({ services, heartbeats, versions, actOnServer: actionAcceptance(services) }),
        {
          graceMs,
        },
      ),
    );
    // Hosts may declare nothing themselves: each account gets the queues of its own name.
    serving.push(await serveSteward(transport, { allow: grantsOf }));
    log.info({ host, conductor: id }, 'conductor started');

    let stopped: Promise<void> | undefined;
    const handOver = async () => {
      if ((await checkDatabase(knex, clock, config.database.connectTimeoutMs)).ok)
        await endNewerTasks({ knex, clock, log, versions, definitions: taskDefinitions, waitMs: limits.handOverMs });
    };
    return {
      name: 'conductor',
      health: async () =>
        healthOf({
          database: await checkDatabase(knex, clock, config.database.connectTimeoutMs),
          broker: transportHealth(transport),
          lease: engine.working ? { ok: true } : { ok: false, reason: 'no lease: tasks stand still here' },
        }),
      stop: () => (stopped ??= handOver().then(closeAll)),
    };
  } catch (error) {
    await closeAll();
    throw error;
  }
}

const grantsOf = (userId: string): readonly StewardGrant[] =>
  userId.startsWith('compute.') ? [{ topic: computeContract.topic, server: userId.slice('compute.'.length), answersFrom: 'trusted' }] : [];

/** Waits for a database that is still starting, and refuses one of an older release. */
async function untilReady({ config, clock, log }: ConductorParts, knex: Database): Promise<void> {
  const { startWaitMs, connectTimeoutMs } = config.database;
  const endsAt = clock.monotonic() + startWaitMs;
  for (let told = false; ; told = true) {
    try {
      const { pending, unknown } = await compareMigrations(knex);
      if (pending.length > 0) throw new Error(`the database lacks the migrations ${pending.join(', ')}: run "kilonova db migrate"`);
      if (unknown.length > 0) log.warn({ unknown }, newerRelease(unknown));
      return;
    } catch (error) {
      if (!isUnavailable(error) || clock.monotonic() >= endsAt) throw error;
      if (!told) log.warn({ error: (error as Error).message }, 'waiting for the database');
      await clock.sleep(Math.min(500, connectTimeoutMs));
    }
  }
}

/** A database that holds its peace must not hold the answer of /healthz. */
async function checkDatabase(knex: Database, clock: Clock, waitMs: number): Promise<Check> {
  let cancel: () => void = () => undefined;
  const late = new Promise<never>((_settle, reject) => {
    cancel = clock.after(waitMs, () => reject(new Error(`no answer within ${waitMs} ms`)));
  });
  try {
    await Promise.race([knex.raw('select 1'), late]);
    return { ok: true };
  } catch (error) {
    return { ok: false, reason: `not available: ${(error as { code?: string }).code ?? (error as Error).message}` };
  } finally {
    cancel();
  }
}
