/**
 * What hosts say must be possible before it comes near the database: a number that no column holds, or a text that is no
 * text to PostgreSQL, would spoil the transaction of others who happened to share it.
 */
import {
  failure,
  type DomainReport,
  type DomainsReport,
  type HostHeartbeat,
  type HostRegistration,
  type Inventory,
  type OperationReport,
  type OperationReports,
  type TransferProgress,
  type TransferReports,
} from '@kilonova/objects';
import type { ConductorConfig } from '../config.ts';
import { isHostName } from '../hosts/host-name.ts';

/** Of what the wire's types do not say. */
export type ReportLimits = Pick<ConductorConfig, 'reportsPerMessage' | 'domainsPerMessage' | 'inventoryMaxBytes'>;

const MOST = 2 ** 31 - 1;
/** What is no UUID, and no longer than one, was never given to anybody: it counts for nothing, and does no harm. */
const UUID = 36;
const OPERATION_ID = /^[\x21-\x7e]{1,255}$/;
const VERSION = /^[0-9]{1,4}\.[0-9]{1,4}$/;
const AGENT = /^[A-Za-z0-9-]{0,64}$/;
const WORD = /^[A-Za-z0-9._-]{1,64}$/;
const OUTCOMES: readonly string[] = ['done', 'failed', 'unknown'];
/** PENDING, RUNNING, PAUSED, SHUTDOWN, CRASHED, SUSPENDED */
const POWERS: readonly number[] = [0, 1, 3, 4, 6, 7];
/** What an agent sends at most. These are made storable where they are stored: an older agent may have cut a character in two. */
const REASONS = { message: 1_000, details: 4_000 } as const;
/** Others write an inventory as part of something larger: one that is just not too deep to be written here would stop them. */
const LEVELS = 32;

const checks: Readonly<Record<string, (request: never, limits: ReportLimits) => void>> = {
  register: checkRegistration,
  heartbeat: checkHeartbeat,
  reportOperations: checkOperations,
  reportDomains: checkDomains,
  reportTransfers: checkTransfers,
};

/** @throws InvalidInput */
export function checkReport(method: string, request: object, limits: ReportLimits): void {
  checks[method]?.(request as never, limits);
}

function checkRegistration({ host, node, cell, version, driver, inventory, agent }: HostRegistration, limits: ReportLimits): void {
  expectName('host', host);
  // A host that could take any name as its node's would keep the one whose name it is from registering.
  expect(node === host, 'node', "the host's own name", node);
  expect(matches(cell, WORD), 'cell', 'a word of 1 to 64 characters', cell);
  expect(matches(driver, WORD), 'driver', 'a word of 1 to 64 characters', driver);
  expect(matches(version, VERSION), 'version', 'MAJOR.MINOR', version);
  expectAgent(agent);
  checkInventory(inventory, limits);
}

function checkHeartbeat({ host, sequence, inventory }: HostHeartbeat, limits: ReportLimits): void {
  expectName('host', host);
  expect(isCount(sequence, Number.MAX_SAFE_INTEGER), 'sequence', 'a whole number from 0', sequence);
  if (inventory !== null) checkInventory(inventory, limits);
}

function checkInventory(inventory: Inventory, { inventoryMaxBytes }: ReportLimits): void {
  expect(isShallow(inventory, LEVELS), 'inventory', `at most ${LEVELS} levels`, '');
  for (const name of ['vcpus', 'memoryMb', 'diskGb', 'reservedVcpus', 'reservedMemoryMb', 'reservedDiskGb', 'hypervisorVersion'] as const)
    expect(isCount(inventory[name], MOST), `inventory.${name}`, `a whole number from 0 to ${MOST}`, inventory[name]);
  const { uptimeSeconds, hostIp, hypervisorType, supportedInstances } = inventory;
  expect(
    uptimeSeconds === null || isCount(uptimeSeconds, Number.MAX_SAFE_INTEGER),
    'inventory.uptimeSeconds',
    'a whole number',
    uptimeSeconds,
  );
  expect(hostIp === null || isText(hostIp, 64), 'inventory.hostIp', 'a text of at most 64 characters', hostIp);
  expect(isText(hypervisorType, 64), 'inventory.hypervisorType', 'a text of at most 64 characters', hypervisorType);
  expect(supportedInstances.every(isListOfTexts), 'inventory.supportedInstances', 'lists of texts', supportedInstances);
  const text = JSON.stringify(inventory);
  // Schedulers are told of many hosts in one message.
  expect(Buffer.byteLength(text) <= inventoryMaxBytes, 'inventory', `at most ${inventoryMaxBytes} bytes (inventory_max_bytes)`, '');
  expect(isStorable(text), 'inventory', 'texts without NUL and halves of characters', '');
}

function checkOperations({ host, reports }: OperationReports, { reportsPerMessage }: ReportLimits): void {
  expectName('host', host);
  expect(reports.length <= reportsPerMessage, 'reports', `at most ${reportsPerMessage} (reports_per_message)`, reports.length);
  for (const report of reports) checkOperation(report);
}

function checkOperation(report: OperationReport): void {
  const { outcome, power, progress, destination } = report;
  checkNames(report);
  expect(OUTCOMES.includes(outcome), 'outcome', OUTCOMES.join(', '), outcome);
  expect(POWERS.includes(power), 'power', POWERS.join(', '), power);
  if (progress !== null) checkProgress(progress);
  for (const [name, length] of Object.entries(REASONS) as [keyof typeof REASONS, number][])
    expect(isShort(report[name], length), name, `a text of at most ${length} characters`, report[name]);
  expect(isText(destination, 1_024), 'destination', 'a text of at most 1024 characters, without NUL', destination);
  for (const name of ['startedAt', 'finishedAt'] as const)
    expect(report[name] === null || isText(report[name], 40), name, 'a time', report[name]);
}

function checkTransfers({ host, transfers }: TransferReports, { reportsPerMessage }: ReportLimits): void {
  expectName('host', host);
  expect(transfers.length <= reportsPerMessage, 'transfers', `at most ${reportsPerMessage} (reports_per_message)`, transfers.length);
  for (const transfer of transfers) {
    checkNames(transfer);
    checkProgress(transfer.progress);
  }
}

function checkNames({
  number,
  operationId,
  instanceUuid,
  generation,
}: Pick<OperationReport, 'number' | 'operationId' | 'instanceUuid' | 'generation'>): void {
  expect(isCount(number, Number.MAX_SAFE_INTEGER), 'number', 'a whole number from 0', number);
  expect(matches(operationId, OPERATION_ID), 'operationId', '1 to 255 printable characters', operationId);
  expect(isShort(instanceUuid, UUID), 'instanceUuid', 'a UUID', instanceUuid);
  expect(isCount(generation, MOST), 'generation', `a whole number from 0 to ${MOST}`, generation);
}

function checkProgress(progress: TransferProgress): void {
  for (const [name, bytes] of Object.entries(progress) as [string, number][])
    expect(isCount(bytes, Number.MAX_SAFE_INTEGER), `progress.${name}`, 'a whole number from 0', bytes);
}

function checkDomains({ host, agent, round, domains }: DomainsReport, { domainsPerMessage }: ReportLimits): void {
  expectName('host', host);
  expectAgent(agent);
  expect(isCount(round, Number.MAX_SAFE_INTEGER), 'round', 'a whole number from 0', round);
  expect(domains.length <= domainsPerMessage, 'domains', `at most ${domainsPerMessage} (domains_per_message)`, domains.length);
  for (const domain of domains) checkDomain(domain);
}

function checkDomain({ uuid, generation, power }: DomainReport): void {
  expect(isShort(uuid, UUID), 'uuid', 'a UUID', uuid);
  expect(isCount(generation, MOST), 'generation', `a whole number from 0 to ${MOST}`, generation);
  expect(POWERS.includes(power), 'power', POWERS.join(', '), power);
}

const expectName = (field: string, name: unknown): void =>
  expect(typeof name === 'string' && isHostName(name), field, 'letters, digits, ".", "_" and "-"', name);

const expectAgent = (agent: unknown): void => expect(matches(agent, AGENT), 'agent', 'at most 64 letters, digits and "-"', agent);

const isCount = (value: number, most: number): boolean => Number.isInteger(value) && value >= 0 && value <= most;

/** The wire lets null pass as a text, and a pattern alone would take it for the word "null". */
const matches = (value: unknown, pattern: RegExp): boolean => typeof value === 'string' && pattern.test(value);

const isShort = (value: unknown, length: number): boolean => typeof value === 'string' && value.length <= length;

const isText = (value: unknown, length: number): boolean => isShort(value, length) && isStorable(JSON.stringify(value));

/** Goes no deeper than that itself. */
const isShallow = (value: unknown, levels: number): boolean =>
  typeof value !== 'object' || value === null || (levels > 0 && Object.values(value).every((inner) => isShallow(inner, levels - 1)));

const isListOfTexts = (value: unknown): boolean => Array.isArray(value) && value.every((item) => typeof item === 'string');

/** JSON writes both as escapes, and keeps a backslash that was there as two. */
const isStorable = (json: string): boolean => !/(?<!\\)(?:\\\\)*\\u(?:0000|d[89ab][0-9a-f]{2}|d[c-f][0-9a-f]{2})/i.test(json);

function expect(holds: boolean, field: string, what: string, found: unknown): void {
  if (holds) return;
  const shown = isShallow(found, LEVELS) ? JSON.stringify(found)?.slice(0, 200) : 'something deeper';
  throw failure('InvalidInput', `${field}: expected ${what}, got ${shown}`);
}
