import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  computeContract,
  ConductorVersion,
  DomainSpec,
  FinishIncomingOperation,
  HostReturn,
  hostReportsContract,
  MigrateOutOperation,
  OperationInquiry,
  PowerOperation,
  PrepareIncomingOperation,
  RebootOperation,
  RemoveOperation,
  ReportsAccepted,
  SpawnOperation,
  TakeBackOperation,
  type TransferReports,
  type DomainsReport,
  type HostHeartbeat,
  type HostRegistration,
  type Operation,
  type OperationReport,
  version,
} from '@kilonova/objects';
import { createClient, Empty, InProcessBroker, serve } from '@kilonova/rpc';
import { createMetrics, defaultsOf, silentLogger, systemClock, systemRandom, type Logger, type RunningService } from '@kilonova/runtime';
import { expect, onTestFinished } from 'vitest';
import { computeSection, type ComputeOptions } from './config.ts';
import type { Driver } from './driver/driver.ts';
import { fakeSection } from './driver/fake/config.ts';
import { FakeDriver } from './driver/fake/fake-driver.ts';
import { startCompute } from './main.ts';
import type { JournalStorage } from './journal/storage.ts';

export const HOST = 'host-1';

/** A folder for this test alone. */
export function aFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'kilonova-compute-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export const aSpec = (changes: Partial<DomainSpec> = {}): DomainSpec =>
  Object.assign(
    new DomainSpec(),
    { uuid: systemRandom.uuid(), generation: 1, name: 'one', hostname: 'one', vcpus: 1, memoryMb: 512, projectId: 'p', userId: 'u' },
    changes,
  );

type Changes = Partial<Operation & { undoes: string; kind: string; graceMs: number }>;

const order = <T extends Operation>(operation: T, uuid: string, changes: Changes): T =>
  Object.assign(
    operation,
    { operationId: systemRandom.uuid(), instanceUuid: uuid, generation: 1, host: HOST, requestId: 'req-1', allowedMs: 10_000 },
    changes,
  );

export function aSpawn(changes: Changes = {}): SpawnOperation {
  const spec = aSpec({
    ...(changes.instanceUuid === undefined ? {} : { uuid: changes.instanceUuid }),
    generation: changes.generation ?? 1,
  });
  return Object.assign(order(new SpawnOperation(), spec.uuid, changes), { spec });
}
export const aRemoval = (uuid: string, changes: Changes = {}): RemoveOperation => order(new RemoveOperation(), uuid, changes);
export const aPowerOrder = (uuid: string, changes: Changes = {}): PowerOperation => order(new PowerOperation(), uuid, changes);
export const aReboot = (uuid: string, changes: Changes = {}): RebootOperation =>
  order(new RebootOperation(), uuid, { kind: 'hard', ...changes });
/** Orders of a move, each about the instance of `spec` in its generation. */
const aboutSpec = <T extends Operation & { spec: DomainSpec }>(operation: T, spec: DomainSpec, changes: Partial<T>): T =>
  Object.assign(order(operation, spec.uuid, { generation: spec.generation }), { spec, ...changes });
export const aPreparation = (spec: DomainSpec): PrepareIncomingOperation => aboutSpec(new PrepareIncomingOperation(), spec, {});
export const aFinish = (spec: DomainSpec, changes: Partial<FinishIncomingOperation> = {}): FinishIncomingOperation =>
  aboutSpec(new FinishIncomingOperation(), spec, changes);
export const aTakeBack = (spec: DomainSpec, changes: Partial<TakeBackOperation> = {}): TakeBackOperation =>
  aboutSpec(new TakeBackOperation(), spec, changes);
export const aMigration = (uuid: string, changes: Partial<MigrateOutOperation> = {}): MigrateOutOperation =>
  Object.assign(order(new MigrateOutOperation(), uuid, { allowedMs: 600_000 }), { destination: 'fake://host-2/x', live: true, ...changes });

export const anInquiry = (...operationIds: string[]): OperationInquiry =>
  Object.assign(new OperationInquiry(), { host: HOST, operationIds });

/** The conductor's side of the wire: real handlers that write down what they hear. */
export async function aFarSide(broker = new InProcessBroker(), id = 'c1') {
  const transport = broker.connect({ service: 'conductor', id });
  const heard = {
    registrations: [] as HostRegistration[],
    heartbeats: [] as HostHeartbeat[],
    reports: [] as OperationReport[],
    domains: [] as DomainsReport[],
    transfers: [] as TransferReports[],
    accepted: new Set<string>(),
  };
  const behaviour = {
    accept: (_report: OperationReport): boolean => true,
    register: (_registration: HostRegistration): void => {},
    domains: (_report: DomainsReport): void => {},
    answerReports: async (): Promise<void> => {},
    spreadMs: 0,
  };
  const server = await serve(transport, hostReportsContract, {
    register: (_context, registration) => {
      behaviour.register(registration);
      heard.registrations.push(registration);
      return new Empty();
    },
    heartbeat: (_context, heartbeat) => void heard.heartbeats.push(heartbeat),
    hostReturn: () => Object.assign(new HostReturn(), { spreadMs: behaviour.spreadMs }),
    oldestConductor: () => Object.assign(new ConductorVersion(), { oldest: version }),
    reportOperations: async (_context, { reports }) => {
      heard.reports.push(...reports);
      const operationIds = reports.filter((report) => behaviour.accept(report)).map(({ operationId }) => operationId);
      for (const operationId of operationIds) heard.accepted.add(operationId);
      await behaviour.answerReports();
      return Object.assign(new ReportsAccepted(), { operationIds });
    },
    reportTransfers: (_context, report) => void heard.transfers.push(report),
    reportDomains: (_context, report) => {
      behaviour.domains(report);
      heard.domains.push(report);
      return new Empty();
    },
  });
  onTestFinished(async () => {
    await server.stop();
    await transport.close();
  });
  /** The latest report of an operation, awaited. */
  const outcomeOf = async ({ operationId }: Pick<Operation, 'operationId'>): Promise<OperationReport> => {
    const find = () => heard.reports.findLast((report) => report.operationId === operationId);
    await expect.poll(find, { timeout: 10_000, interval: 5 }).toBeDefined();
    return find()!;
  };
  return { broker, transport, server, heard, behaviour, outcomeOf, orders: createClient(transport, computeContract).at(HOST) };
}

export interface AgentGiven {
  readonly broker: InProcessBroker;
  readonly stateDir?: string;
  readonly config?: Partial<ComputeOptions>;
  /** Wraps the fake driver, to watch or to change it. */
  readonly wrap?: (driver: FakeDriver) => Driver;
  readonly storage?: JournalStorage;
  /** The version of its peers. */
  readonly pin?: string;
  readonly log?: Logger;
}

/** A quick agent; whatever of it is left is ended with the test. */
export async function anAgent({
  broker,
  stateDir = aFolder(),
  config = {},
  wrap = (driver) => driver,
  storage,
  pin,
  log = silentLogger,
}: AgentGiven) {
  const transport = broker.connect({ service: 'compute', id: HOST, user: `compute.${HOST}`, connectWaitMs: 50 });
  const surroundings = { clock: systemClock, random: systemRandom, log };
  const fake = defaultsOf(fakeSection);
  const driver = new FakeDriver({ ...surroundings, host: HOST, folder: stateDir, config: fake });
  const metrics = createMetrics('compute');
  const compute = defaultsOf(computeSection, {
    retryBaseMs: 5,
    retryCapMs: 50,
    heartbeatMs: 20,
    graceMs: 500,
    abortWaitMs: 50,
    callTimeoutMs: 2_000,
    ...config,
  });
  const service: RunningService = await startCompute({
    ...surroundings,
    metrics,
    config: { compute, fake },
    host: HOST,
    transport,
    stateDir,
    driver: wrap(driver),
    ...(storage === undefined ? {} : { storage }),
    ...(pin === undefined ? {} : { pin }),
  });
  onTestFinished(async () => {
    await service.stop();
    await driver.close();
    await transport.close();
  });
  return { service, transport, driver, stateDir, metrics };
}

/** The driver, and the names of the verbs that were called on it. */
export function watched(verbs: string[], onVerb = () => {}): (driver: FakeDriver) => Driver {
  return (driver) =>
    new Proxy<Driver>(driver, {
      get(_target, name) {
        const member: unknown = Reflect.get(driver, name);
        if (typeof member !== 'function') return member;
        return (...given: unknown[]) => {
          if (String(name).startsWith('ensure') || name === 'reboot') {
            verbs.push(String(name));
            onVerb();
          }
          return Reflect.apply(member, driver, given) as unknown;
        };
      },
    });
}
