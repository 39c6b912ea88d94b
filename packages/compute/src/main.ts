import { mkdirSync } from 'node:fs';
import { conductorPin, hostReportsContract } from '@kilonova/objects';
import { createClient, type Server, transportHealth, type Transport } from '@kilonova/rpc';
import { healthOf, lockFolder, tellPin, type Check, type RunningService, type Surroundings } from '@kilonova/runtime';
import { Agent } from './agent/agent.ts';
import type { ComputeConfig } from './config.ts';
import type { Driver } from './driver/driver.ts';
import { FakeDriver } from './driver/fake/fake-driver.ts';
import { serveCompute } from './handlers.ts';
import { Journal } from './journal/journal.ts';
import { FileStorage, type JournalStorage } from './journal/storage.ts';
import { Ledger, type LedgerRecord } from './ledger/ledger.ts';
import { agentMetrics } from './metrics.ts';
import { DomainReports } from './reports/domain-reports.ts';
import { askHostReturn } from './reports/host-return.ts';
import { Outbox } from './reports/outbox.ts';
import { Presence } from './reports/presence.ts';
import { Transfers } from './reports/transfers.ts';

/** What a stop leaves for telling the last outcomes when everything before took all the time. */
const LAST_WORD_MS = 200;

export interface ComputeParts extends Surroundings {
  readonly config: ComputeConfig;
  /** The name by which the conductor knows this host, and the server name of its queue. */
  readonly host: string;
  /** Logged in with the account of this host. Stays open at stop: whoever opened it closes it. */
  readonly transport: Transport;
  /** A folder of this host alone, kept over restarts: journal, lock, what the fake driver remembers. */
  readonly stateDir: string;
  /** Default: the fake driver. One that is handed in is not closed here. */
  readonly driver?: Driver;
  /** Version to speak to the conductors, MAJOR.MINOR; by default what the oldest of them understands. */
  readonly pin?: string | (() => string);
  /** Default: files in `stateDir`. */
  readonly storage?: JournalStorage;
}

/**
 * Starts the agent of one host. Settles when the journal is read, what was left is resumed, and orders are listened for
 * (or `listenWaitMs` passed: without a broker the agent goes on waiting for it).
 * @throws FolderInUse, JournalDamaged
 */
export async function startCompute(parts: ComputeParts): Promise<RunningService> {
  const { host, transport, stateDir, clock } = parts;
  const config = parts.config.compute;
  const log = parts.log.child({ host });
  mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  // Two agents on one journal would undo each other's work.
  const lock = lockFolder(stateDir);
  const closing: (() => Promise<void> | void)[] = [() => lock.release()];
  const closeAll = async () => {
    for (const close of closing.splice(0).toReversed()) await close();
  };
  try {
    const ledger = new Ledger(host, config);
    const journal = await openJournal(parts, ledger);
    closing.push(() => journal.close());
    const driver = parts.driver ?? new FakeDriver({ ...parts, log, folder: stateDir, config: parts.config.fake });
    if (parts.driver === undefined) closing.push(() => driver.close());

    const told = tellPin({ log, metrics: parts.metrics }, 'conductor');
    let speaksOtherwise = () => {};
    const conductors = conductorPin({
      ...{ transport, contract: hostReportsContract, given: parts.pin, clock, everyMs: config.pinAskMs },
      onMove: (from, to) => {
        told(from, to);
        speaksOtherwise();
      },
    });
    closing.push(() => conductors.stop());
    const client = createClient(transport, hostReportsContract, conductors.options);
    const surroundings = { ...parts, agent: parts.random.uuid(), config, log };
    const shared = { ...surroundings, ledger, journal, client, driver, metrics: agentMetrics(parts.metrics) };
    const outbox = new Outbox({ ...shared, maxMessageBytes: transport.limits.maxMessageBytes });
    const transfers = new Transfers(shared);
    const agent = new Agent({ ...shared, outbox, transfers });
    const domains = new DomainReports({
      ...shared,
      registerAgain: () => presence.registerAgain(),
      onSuperseded: (reason) => standStill(reason),
      onTold: () => void askHostReturn(shared),
    });
    // After a return the conductors' version is asked for with the next sign of life: thousands of hosts return together.
    let asked: boolean | undefined;
    const presence = new Presence({
      ...shared,
      onRegistered: () => {
        outbox.hurry();
        domains.registered();
        if (asked === undefined) void conductors.ask();
        asked = asked === undefined;
      },
      onHeartbeat: () => {
        agent.tidy();
        if (asked === false) void conductors.ask();
        asked = true;
      },
    });

    // What the registration says is told in the form of that time: an older one has no name for this process.
    speaksOtherwise = () => presence.sayAgain();

    agent.resume();
    outbox.start();
    presence.start();
    let server: Server | undefined;
    let standing: Check = { ok: true };
    // Two agents of one host would undo each other's work. The guests are none of this one's business any more.
    const standStill = (reason: string) => {
      standing = { ok: false, reason };
      log.error({ reason }, 'another agent speaks for this host: this one stands still, and leaves the guests alone');
      void Promise.all([server?.stop(), presence.stop(), agent.stop()]);
    };
    let stopped: Promise<void> | undefined;
    let listening: Check = { ok: false, reason: 'waiting for the queue of this host' };
    const serving = serveCompute(transport, host, agent, clock, config).then(
      async (served) => {
        server = served;
        listening = { ok: true };
        if (stopped !== undefined || !standing.ok) await served.stop();
      },
      (error: unknown) => {
        listening = { ok: false, reason: (error as Error).message };
        log.error({ reason: (error as Error).message }, 'orders are not listened for');
      },
    );
    await firstOf(clock, config.listenWaitMs, serving);
    const forget = transport.onChange((connected) => {
      if (connected) presence.reconnected();
    });
    log.info({ stateDir, driver: driver.name, listening: listening.ok }, 'agent started');

    const stop = async () => {
      const endsAt = clock.monotonic() + config.graceMs;
      forget();
      await Promise.all([server?.stop(), presence.stop(), domains.stop()]);
      await agent.stop();
      transfers.stop();
      await outbox.stop(Math.max(LAST_WORD_MS, endsAt - clock.monotonic()));
      await closeAll();
      log.info({}, 'agent stopped');
    };
    return {
      name: `compute.${host}`,
      health: () =>
        healthOf({
          broker: transportHealth(transport),
          alone: standing,
          orders: listening,
          registered: checkOf(presence.registrationTrouble),
          driver: checkOf(presence.driverTrouble),
          operations: checkOf(agent.trouble),
        }),
      stop: () => (stopped ??= stop()),
    };
  } catch (error) {
    await closeAll();
    throw error;
  }
}

/** The ledger as the journal tells it; a new journal begins with a header. */
async function openJournal(
  { host, stateDir, storage = new FileStorage(stateDir), config, log }: ComputeParts,
  ledger: Ledger,
): Promise<Journal<LedgerRecord>> {
  let records = 0;
  const journal = await Journal.open<LedgerRecord>({
    storage,
    compactBytes: config.compute.compactBytes,
    log: log.child({ host }),
    replay: (record) => {
      ledger.apply(record);
      records += 1;
    },
    snapshot: () => ledger.snapshot(),
  });
  if (records === 0) await journal.append(ledger.header());
  return journal;
}

const checkOf = (trouble: string | undefined): Check => (trouble === undefined ? { ok: true } : { ok: false, reason: trouble });

async function firstOf(clock: Surroundings['clock'], ms: number, work: Promise<void>): Promise<void> {
  let cancel = () => {};
  await Promise.race([work, new Promise<void>((resolve) => (cancel = clock.after(ms, resolve)))]);
  cancel();
}
