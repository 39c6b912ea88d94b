import {
  DomainReport,
  DomainsReport,
  HostHeartbeat,
  HostRegistration,
  OperationReport,
  OperationReports,
  TransferProgress,
  TransferReport,
  TransferReports,
} from '@kilonova/objects';
import { describe, expect, test } from 'vitest';
import { anInventory } from '../testing/services.ts';
import { checkReport } from './report-checks.ts';

const LIMITS = { reportsPerMessage: 10, domainsPerMessage: 10, inventoryMaxBytes: 16_384 };
const UUID = '99999999-9999-4999-8999-999999999999';
type Changes = Readonly<Record<string, unknown>>;

const inventory = (changes: Changes = {}) => Object.assign(anInventory(), changes);
const progress = (changes: Changes = {}) => Object.assign(new TransferProgress(), changes);
const names = { number: 1, operationId: `${UUID}/spawn`, instanceUuid: UUID, generation: 1 };

/** By method: a message that passes, with these changes in what it is made of. */
const messages = {
  register: (changes: Changes) =>
    Object.assign(new HostRegistration(), { host: 'h1', node: 'h1', version: '1.0', driver: 'fake', inventory: inventory(), ...changes }),
  heartbeat: (changes: Changes) => Object.assign(new HostHeartbeat(), { host: 'h1', sequence: 1, inventory: inventory(), ...changes }),
  reportOperations: ({ host = 'h1', ...changes }: Changes) =>
    Object.assign(new OperationReports(), {
      host,
      reports: [Object.assign(new OperationReport(), { ...names, outcome: 'done', power: 1, ...changes })],
    }),
  reportTransfers: ({ host = 'h1', ...changes }: Changes) =>
    Object.assign(new TransferReports(), {
      host,
      transfers: [Object.assign(new TransferReport(), { ...names, progress: progress(), ...changes })],
    }),
  reportDomains: ({ host = 'h1', round = 1, agent = '', ...changes }: Changes) =>
    Object.assign(new DomainsReport(), {
      ...{ host, round, agent },
      domains: [Object.assign(new DomainReport(), { uuid: UUID, generation: 1, power: 1, ...changes })],
    }),
} as const;
type Method = keyof typeof messages;
const methods = Object.keys(messages) as Method[];
const check = (method: Method, changes: Changes) => () => checkReport(method, messages[method](changes), LIMITS);

const deep = (levels: number): unknown => JSON.parse(`${'['.repeat(levels)}${']'.repeat(levels)}`);
const noNumbers = [null, Number.NaN, Infinity, -1, 0.5, 2 ** 53, 1e300, '1'];
const noTexts = [null, 7, ['text'], 'a\0', 'half \ud83d'];

test.each(methods)('%s lets pass what is as it should be', (method) => {
  expect(check(method, {})).not.toThrow();
});

test('a reason keeps its characters, whole or cut in two: it is made storable where it is stored', () => {
  expect(check('reportOperations', { outcome: 'failed', message: 'a\0', details: 'half \ud83d' })).not.toThrow();
  expect(check('reportOperations', { destination: 'qemu+ssh://hôst-😀/system', startedAt: '2026-01-01T00:00:00Z' })).not.toThrow();
});

describe.each(methods)('%s refuses', (method) => {
  test.each([null, 'a\0', 'half \ud83d', '', ['h1']])('%j as the name of its host', (host) => {
    expect(check(method, { host, node: host })).toThrow(/^host: /);
  });
});

describe.each([
  { method: 'reportOperations', field: 'number' },
  { method: 'reportOperations', field: 'generation' },
  { method: 'reportOperations', field: 'power' },
  { method: 'reportTransfers', field: 'number' },
  { method: 'reportTransfers', field: 'generation' },
  { method: 'reportDomains', field: 'round' },
  { method: 'reportDomains', field: 'generation' },
  { method: 'reportDomains', field: 'power' },
  { method: 'heartbeat', field: 'sequence' },
] as const)('$method refuses', ({ method, field }) => {
  test.each(noNumbers)(`%j as its ${field}`, (number) => {
    expect(check(method, { [field]: number })).toThrow(new RegExp(`^${field}: `));
  });
});

describe.each([
  { method: 'reportOperations', field: 'operationId', refused: noTexts },
  { method: 'reportOperations', field: 'destination', refused: noTexts },
  { method: 'reportOperations', field: 'message', refused: [null, 7, ['text'], 'x'.repeat(1_001)] },
  { method: 'reportOperations', field: 'details', refused: [null, 7, ['text'], 'x'.repeat(4_001)] },
  { method: 'reportOperations', field: 'startedAt', refused: [7, ['text'], 'a\0'] },
  { method: 'reportOperations', field: 'finishedAt', refused: [7, ['text'], 'a\0'] },
  { method: 'reportOperations', field: 'instanceUuid', refused: [null, 7, [UUID]] },
  { method: 'reportOperations', field: 'outcome', refused: [null, 'maybe'] },
  { method: 'reportTransfers', field: 'operationId', refused: noTexts },
  { method: 'reportTransfers', field: 'instanceUuid', refused: [null, 7, [UUID]] },
  { method: 'reportDomains', field: 'uuid', refused: [null, 7, [UUID]] },
  { method: 'reportDomains', field: 'agent', refused: noTexts },
  { method: 'register', field: 'agent', refused: noTexts },
  { method: 'register', field: 'cell', refused: noTexts },
  { method: 'register', field: 'driver', refused: noTexts },
  { method: 'register', field: 'version', refused: noTexts },
] as const)('$method refuses as its $field', ({ method, field, refused }) => {
  test.each([...refused])('%j', (text) => {
    expect(check(method, { [field]: text })).toThrow(new RegExp(`^${field}: `));
  });
});

test('a refusal can be written however deep it is what is refused', () => {
  expect(check('reportOperations', { startedAt: deep(10_000) })).toThrow('startedAt: expected a time, got something deeper');
});

describe.each(['reportOperations', 'reportTransfers'] as const)('%s refuses', (method) => {
  test.each(noNumbers)('%j bytes of progress', (bytes) => {
    expect(check(method, { progress: progress({ diskRemainingBytes: bytes }) })).toThrow(/^progress\.diskRemainingBytes: /);
  });
});

describe.each(['register', 'heartbeat'] as const)('%s refuses an inventory with', (method) => {
  test.each<{ field: string; refused: readonly unknown[] }>([
    { field: 'memoryMb', refused: [...noNumbers, 2 ** 31] },
    { field: 'hypervisorType', refused: noTexts },
    { field: 'hostIp', refused: noTexts.slice(1) },
    { field: 'uptimeSeconds', refused: noNumbers.slice(1) },
    { field: 'capabilities', refused: [{ 'a\0': 1 }, { a: [{ b: 'half \ud83d' }] }] },
    { field: 'cpuInfo', refused: [{ model: 'a\0' }, { 'half \ud83d': 1 }] },
    { field: 'supportedInstances', refused: [[['a\0']], [[null]], ['text']] },
  ])('$field that cannot be', ({ field, refused }) => {
    for (const value of refused) expect(check(method, { inventory: inventory({ [field]: value }) })).toThrow(/^inventory/);
  });

  test.each([40, 8_000])('%i levels, which others could not pass on', (levels) => {
    expect(check(method, { inventory: inventory({ capabilities: { a: deep(levels) } }) })).toThrow('inventory: expected at most 32 levels');
    expect(check(method, { inventory: inventory({ supportedInstances: deep(levels) }) })).toThrow('inventory: expected at most 32 levels');
  });
});
