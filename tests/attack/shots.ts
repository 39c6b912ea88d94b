/** What is sent, and by which ways: generated from the contracts, so that what is new is tried as well. */
import * as objects from '@kilonova/objects';
import { fieldsOf } from '@kilonova/rpc';
import type { Shot } from './attacker.ts';
import { envelope, forged, methods, type Facts, type Method } from './contracts.ts';

export interface Broker {
  readonly namespace: string;
  readonly queues: readonly string[];
  readonly exchanges: readonly string[];
}

/** Another host, and what it would take to be believed in its place. */
export interface Target {
  readonly uuid: string;
  readonly host: string;
  readonly generation: number;
  readonly operationIds: readonly string[];
}

const FORGED_USERS = ['conductor', 'api', 'scheduler', 'compute.host-2', 'guest', ''] as const;

/** Each method, whole and harmful, by every way on which it could reach somebody. */
export function* contractShots(
  { namespace, queues, exchanges }: Broker,
  facts: Facts,
): Generator<{ readonly kind: string; readonly shot: Shot }> {
  const exchange = (word: string) => `${namespace}.${word}.v2`;
  for (const method of methods) {
    const { topic } = method;
    const keys = [`${topic}.any`, `${topic}.to.host-2`];
    const body = envelope(method, forged(method.request, facts), { server: 'host-2' });
    const anyone = envelope(method, forged(method.request, facts));
    for (const word of exchanges.filter((name) => name.startsWith(`${namespace}.`) && !isOwnWay(name, topic, namespace)))
      for (const key of keys)
        yield { kind: 'every method on every exchange', shot: { exchange: word, key, body: key.includes('.to.') ? body : anyone } };
    for (const queue of queues.filter((name) => name.includes(`.${topic}`)))
      yield { kind: 'every method into the queues of its receivers', shot: { exchange: '', key: queue, body } };
    for (const userId of FORGED_USERS.slice(0, 3))
      yield {
        kind: 'every method under a forged account',
        shot: { exchange: exchange('from-hosts'), key: 'host-reports.any', body: anyone, options: { userId } },
      };
    if (topic !== 'host-reports')
      yield { kind: 'every method where reports go', shot: { exchange: exchange('from-hosts'), key: 'host-reports.any', body: anyone } };
  }
}

/** Where the account may send its reports. */
const isOwnWay = (exchange: string, topic: string, namespace: string): boolean =>
  topic === 'host-reports' && exchange === `${namespace}.from-hosts.v2`;

const of = (method: string): Method => methods.find((one) => one.topic === 'host-reports' && one.method === method)!;

/** Reports that say what is not so: of others, in the stolen host's name and in theirs. */
export function* falseReports(targets: readonly Target[]): Generator<{ readonly kind: string; readonly body: string }> {
  for (const { uuid, host, generation, operationIds } of targets) {
    for (const name of ['host-1', host]) {
      const whose = name === 'host-1' ? 'in its own name' : 'in the name of the other host';
      for (const shown of new Set([generation, generation - 1, generation + 1, 2 ** 31 - 1]))
        if (shown >= 0) {
          yield {
            kind: `domains of others ${whose}`,
            body: envelope(of('reportDomains'), {
              host: name,
              round: 4_000_000_000,
              last: true,
              domains: [{ uuid, generation: shown, power: 4 }],
            }),
          };
          for (const operationId of operationIds)
            for (const outcome of ['done', 'failed', 'unknown'])
              yield {
                kind: `outcomes of others' operations ${whose}`,
                body: envelope(of('reportOperations'), { host: name, reports: [anOutcome(operationId, uuid, shown, outcome)] }),
              };
        }
      yield {
        kind: `progress of others' moves ${whose}`,
        body: envelope(of('reportTransfers'), {
          host: name,
          transfers: operationIds.map((operationId) => aTransfer(operationId, uuid, generation)),
        }),
      };
      yield { kind: `a sign of life ${whose}`, body: envelope(of('heartbeat'), { host: name, sequence: 2 ** 40, inventory: null }) };
    }
    yield { kind: 'a registration in the name of the other host', body: envelope(of('register'), aRegistration({ host, node: host })) };
    yield {
      kind: "a registration with the other host's node",
      body: envelope(of('register'), aRegistration({ host: 'host-1', node: host })),
    };
  }
}

const anOutcome = (operationId: string, instanceUuid: string, generation: number, outcome: string) => ({
  ...{ number: 2 ** 40, operationId, instanceUuid, generation, outcome, power: 4, message: 'forged', details: '' },
  ...{ destination: 'fake://host-1/x', startedAt: null, finishedAt: null },
});

const aTransfer = (operationId: string, instanceUuid: string, generation: number, bytes = 2 ** 40) => ({
  ...{ number: 2 ** 40, operationId, instanceUuid, generation },
  progress: {
    ...{ memoryTotalBytes: bytes, memoryProcessedBytes: bytes, memoryRemainingBytes: 0 },
    diskTotalBytes: 0,
    diskProcessedBytes: 0,
    diskRemainingBytes: 0,
  },
});

const anInventory = (changes: object = {}) => ({
  ...{ vcpus: 64, memoryMb: 262_144, diskGb: 4_096, reservedVcpus: 0, reservedMemoryMb: 0, reservedDiskGb: 0, hypervisorType: 'fake' },
  ...{ hypervisorVersion: 1, cpuInfo: {}, supportedInstances: [], capabilities: {}, hostIp: null, uptimeSeconds: 1, ...changes },
});
const aRegistration = (changes: object, inventory: object = {}) => ({
  ...{
    host: 'host-1',
    node: 'host-1',
    cell: 'cell1',
    version: objects.version,
    driver: 'fake',
    inventory: anInventory(inventory),
    ...changes,
  },
});

/** Numbers that no column holds, texts that are none, sizes without end, versions of other worlds, answers for others. */
export function* impossibleReports(
  namespace: string,
  queues: readonly string[],
): Generator<{ readonly kind: string; readonly shot: Partial<Shot> & { readonly body: Buffer | string } }> {
  const uuid = '99999999-9999-4999-8999-999999999999';
  const domain = (changes: object) =>
    envelope(of('reportDomains'), { host: 'host-1', round: 1, last: true, domains: [{ uuid, generation: 1, power: 1, ...changes }] });
  const outcome = (changes: object) =>
    envelope(of('reportOperations'), { host: 'host-1', reports: [{ ...anOutcome(`${uuid}/askSpawn`, uuid, 1, 'done'), ...changes }] });
  const register = (changes: object, inventory: object = {}) => envelope(of('register'), aRegistration(changes, inventory));
  const numbers = [-1, 0.5, 2 ** 31, 2 ** 53, 1e300];
  const bodies: Record<string, readonly (Buffer | string)[]> = {
    'numbers that cannot be': numbers.flatMap((number) => [
      ...[domain({ generation: number }), domain({ power: number }), outcome({ generation: number }), outcome({ power: number })],
      ...[register({}, { vcpus: number }), register({}, { memoryMb: number }), register({}, { reservedDiskGb: number })],
      envelope(of('reportTransfers'), { host: 'host-1', transfers: [aTransfer(`${uuid}/askTransfer`, uuid, number)] }),
      envelope(of('reportTransfers'), { host: 'host-1', transfers: [aTransfer(`${uuid}/askTransfer`, uuid, 1, -Math.abs(number))] }),
      envelope(of('heartbeat'), { host: 'host-1', sequence: -1, inventory: anInventory({ diskGb: number }) }),
    ]),
    'texts that cannot be': [
      ...[
        outcome({ operationId: 'a\0b' }),
        outcome({ operationId: 'x'.repeat(1_000) }),
        outcome({ outcome: 'maybe' }),
        outcome({ message: 'x'.repeat(50_000) }),
      ],
      ...[
        outcome({ destination: 'x'.repeat(5_000) }),
        outcome({ destination: 'a\0' }),
        outcome({ destination: '\ud800' }),
        outcome({ operationId: null }),
        outcome({ instanceUuid: null }),
        outcome({ startedAt: ['x'] }),
        register({ version: '9'.repeat(500) }),
        register({ version: 'latest' }),
        register({ cell: 'a\0' }),
      ],
      ...[
        register({ driver: 'x'.repeat(500) }),
        register({ node: 'host-9' }),
        register({}, { hostIp: 'x'.repeat(500) }),
        register({}, { capabilities: { a: '\0' } }),
      ],
      ...[register({}, { supportedInstances: [[{}]] }), register({}, { cpuInfo: { a: '\ud800' } }), domain({ uuid: 'x'.repeat(500) })],
      ...[register({ driver: null }), register({}, { hypervisorType: null }), register({}, { hostIp: ['x'] }), domain({ uuid: null })],
    ],
    'sizes without end': [
      register({}, { capabilities: { a: 'x'.repeat(100_000) } }),
      register({}, { capabilities: { a: JSON.parse(`${'['.repeat(3_000)}${']'.repeat(3_000)}`) } }),
      envelope(of('reportDomains'), {
        host: 'host-1',
        round: 1,
        last: true,
        domains: Array.from({ length: 2_000 }, () => ({ uuid, generation: 1, power: 1 })),
      }),
      envelope(of('reportOperations'), {
        host: 'host-1',
        reports: Array.from({ length: 1_001 }, () => anOutcome('a', '', 0, 'unknown')),
      }).slice(0, 262_000),
      Buffer.alloc(300_000, 'x'),
      `{"kind":"call","a":${'['.repeat(50_000)}`,
    ],
    'bodies of another shape': methods
      .filter(({ topic, request }) => topic === 'host-reports' && fieldsOf(request).some(({ name }) => name === 'host'))
      .flatMap((method) => [null, [], 'text', 7, {}, { host: 7 }, { host: null }].map((body) => envelope(method, body))),
    'what is no request': [
      '',
      '{',
      'null',
      '[]',
      '"text"',
      '{}',
      Buffer.from([0xff, 0xfe, 0, 1]),
      Buffer.from([1, 0, 0, 0, 0xff]),
      Buffer.alloc(64),
    ],
    'methods that are none': ['constructor', '__proto__', 'toString', 'spawn', '', 'steward'].map((method) =>
      envelope({ ...of('register'), method }, {}),
    ),
    'versions of other worlds': ['0.9', '1.99', '2.0', '', '1', '1.0.0', '-1.0', '1e9.0'].map((version) =>
      envelope({ ...of('register'), version }, aRegistration({})),
    ),
    'kinds that do not fit': ['cast', 'fanout', 'stream', 'event', 'order'].map((kind) =>
      envelope({ ...of('register'), kind }, aRegistration({})),
    ),
    'namespaces and names of others': [
      { namespace: 'admin' },
      { server: 'host-2' },
      { topic: 'conductor' },
      { topic: 'compute', server: 'host-2' },
    ].map((more) => envelope(of('register'), aRegistration({}), more)),
  };
  for (const [kind, several] of Object.entries(bodies)) for (const body of several) yield { kind, shot: { body } };
  const replyQueues = queues.filter((name) => name.startsWith(`${namespace}.reply.`) && !name.includes('.compute.host-1.'));
  const replyKeys = replyQueues.map((name) => name.slice(namespace.length + 1, -'.v2'.length));
  for (const replyTo of [...replyKeys, 'compute.to.host-2', 'amq.rabbitmq.reply-to', '', 'conductor.any'])
    for (const method of ['register', 'reportOperations', 'heartbeat'])
      yield {
        kind: 'answers sent to others in the name of the conductor',
        shot: {
          body: envelope(
            of(method),
            method === 'register' ? aRegistration({ host: 'host-2' }) : { host: 'host-2', reports: [], sequence: 1, inventory: null },
          ),
          options: { replyTo },
        },
      };
}
