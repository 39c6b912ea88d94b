import {
  Aggregate,
  conductorContract,
  ConductorVersion,
  failure,
  Fault,
  Flavor,
  FlavorAccess,
  Hypervisor,
  Keypair,
  QuotaSet,
  Server,
  ServerAction,
  ServerActionEvent,
  ServerGroup,
  ServerMetadata,
  ServerMigration,
  ServerName,
  ServerRevision,
  ServersCreated,
  Service,
  version,
  Zone,
} from '@kilonova/objects';
import { Empty, serve, type Context, type Handlers, type Transport } from '@kilonova/rpc';

/** Rows that show every field of the answers, for checks of shape. Behaviour is the real conductor's business. */

export const PROJECT = '6f70656e737461636b20342065766572';
export const SERVER = '0e44cc9c-e052-415d-afbf-469b0d384170';
const make = <T extends object>(type: new () => T, fields: Partial<T>): T => Object.assign(new type(), fields);
const TIME = '2026-03-04T05:06:07.123456Z';

export const flavor = make(Flavor, {
  flavorId: '1',
  name: 'm1.tiny',
  vcpus: 1,
  memoryMb: 512,
  rootGb: 1,
  extraSpecs: { 'hw:numa_nodes': '1' },
});

export const server = make(Server, {
  uuid: SERVER,
  number: 26,
  projectId: PROJECT,
  userId: 'fake',
  name: 'new-server-test',
  hostname: 'new-server-test',
  vmState: 'active',
  powerState: 1,
  host: 'compute-1',
  node: 'compute-1',
  hostStatus: 'UP',
  availabilityZone: 'nova',
  flavor,
  imageId: '70a599e0-31e7-49b7-b260-868f441e862b',
  metadata: { 'My Server Name': 'Apache1' },
  tags: ['blue'],
  userData: 'SGVsbG8=',
  accessIpV4: '1.2.3.4',
  accessIpV6: '80fe::',
  reservationId: 'r-ov3q80zj',
  rootDeviceName: '/dev/vda',
  createdAt: TIME,
  updatedAt: TIME,
  launchedAt: TIME,
  serverGroupId: '616fb98f-46ca-475e-917e-2563e5a8cd19',
});
export const brokenServer = make(Server, {
  ...server,
  vmState: 'error',
  host: null,
  node: null,
  hostStatus: '',
  imageId: null,
  accessIpV4: null,
  accessIpV6: null,
  launchedAt: null,
  serverGroupId: null,
  availabilityZone: null,
  fault: make(Fault, { code: 500, message: 'No valid host was found.', details: 'a trace', createdAt: TIME }),
});
const service = make(Service, {
  id: 2,
  uuid: 'e81d66a4-ddd3-4aba-8a84-171d1cb4d339',
  binary: 'nova-compute',
  host: 'compute-1',
  availabilityZone: 'nova',
  up: true,
  version: '1.0',
  updatedAt: TIME,
});
const aggregate = make(Aggregate, {
  id: 1,
  uuid: 'fd0a5b12-7e8d-469d-bfd5-64a6823e7407',
  name: 'name',
  metadata: { ssd: 'true' },
  availabilityZone: 'london',
  hosts: ['compute-1'],
  createdAt: TIME,
  updatedAt: null,
});
export const hypervisor = make(Hypervisor, {
  id: 1,
  uuid: 'b1e43b5f-eec1-44e0-9f10-7b4945c0226d',
  hostname: 'compute-1',
  service,
  hostIp: '1.1.1.1',
  type: 'fake',
  version: 1000,
  cpuInfo: { arch: 'x86_64' },
  vcpus: 2,
  vcpusUsed: 0,
  memoryMb: 8192,
  memoryMbUsed: 512,
  diskGb: 1028,
  diskGbUsed: 0,
  diskAvailableLeast: 0,
  runningVms: 0,
  currentWorkload: 0,
  uptimeSeconds: 93 * 86_400 + 18 * 3_600 + 25 * 60,
  servers: [make(ServerName, { uuid: SERVER, name: 'new-server-test' })],
});
const keypair = make(Keypair, {
  id: 1,
  userId: 'fake',
  name: 'mine',
  publicKey: 'ssh-rsa AAAA',
  fingerprint: '44:fe:29:6e:23:14:b9:53:5b:65:82:58:1c:fe:5a:c3',
  createdAt: TIME,
});
const group = make(ServerGroup, {
  uuid: '616fb98f-46ca-475e-917e-2563e5a8cd19',
  projectId: PROJECT,
  userId: 'fake',
  name: 'test',
  policy: 'anti-affinity',
  maxServersPerHost: 3,
  createdAt: TIME,
});
const action = make(ServerAction, {
  action: 'stop',
  serverUuid: SERVER,
  requestId: 'req-8eb28d4a-db6c-4337-bab8-ce154e9c620e',
  projectId: PROJECT,
  userId: 'fake',
  startTime: TIME,
  updatedAt: TIME,
  events: [
    make(ServerActionEvent, { event: 'compute_stop_instance', startTime: TIME, finishTime: TIME, result: 'Success', host: 'compute-1' }),
  ],
});
export const migration = make(ServerMigration, {
  id: 1,
  uuid: '12341d4b-346a-40d0-83c6-5f4f6892b650',
  serverUuid: SERVER,
  projectId: PROJECT,
  userId: 'fake',
  type: 'live-migration',
  status: 'running',
  sourceHost: 'compute-1',
  sourceNode: 'compute-1',
  destHost: 'compute-2',
  destNode: 'compute-2',
  destAddress: '1.2.3.4',
  oldFlavorNumber: 1,
  newFlavorNumber: 1,
  memoryTotalBytes: 123456,
  memoryProcessedBytes: 12345,
  memoryRemainingBytes: 111111,
  createdAt: TIME,
  updatedAt: TIME,
});
const oldMigration = make(ServerMigration, { ...migration, id: 2, type: 'resize', status: 'error', destHost: null, updatedAt: null });
const limits = { instances: 10, cores: 20, ram: 51200, metadata_items: 128, key_pairs: 100, server_groups: 10, server_group_members: 10 };
const quota = make(QuotaSet, { projectId: PROJECT, limits, inUse: { instances: 1, cores: 2, ram: 512 } });
const flavorAccess = make(FlavorAccess, { projectIds: [PROJECT] });

const answer =
  <T>(value: T) =>
  async () =>
    value;
const pieces = <T>(...items: readonly T[]) =>
  async function* () {
    yield items;
  };

export type CannedHandlers = Handlers<typeof conductorContract>;

const handlers: CannedHandlers = {
  createServers: answer(make(ServersCreated, { reservationId: 'r-3fhpjulh', serverUuids: [SERVER] })),
  listServers: pieces(server, brokenServer),
  listServerRevisions: pieces(make(ServerRevision, { uuid: SERVER, revision: '1' })),
  listServerNames: pieces(make(ServerName, { uuid: SERVER, name: 'new-server-test' })),
  getServer: answer(server),
  updateServer: answer(server),
  actOnServer: answer(new Empty()),
  changeServerMetadata: async (_context, request) => make(ServerMetadata, { metadata: request.metadata }),
  listServerActions: pieces(action),
  getServerAction: answer(action),
  listMigrations: pieces(migration, oldMigration),
  listServerMigrations: pieces(migration),
  getServerMigration: answer(migration),
  listFlavors: pieces(flavor, make(Flavor, { ...flavor, flavorId: '2', swapMb: 512, description: 'two' })),
  getFlavor: async (_context, request) => make(Flavor, { ...flavor, flavorId: request.flavorId, isPublic: request.flavorId !== '10' }),
  createFlavor: async (_context, request) => request.flavor,
  updateFlavor: answer(flavor),
  deleteFlavor: answer(new Empty()),
  changeExtraSpecs: answer(flavor),
  getFlavorAccess: answer(flavorAccess),
  changeFlavorAccess: answer(flavorAccess),
  listAggregates: pieces(aggregate),
  getAggregate: answer(aggregate),
  createAggregate: answer(aggregate),
  updateAggregate: answer(aggregate),
  deleteAggregate: answer(new Empty()),
  changeAggregateHost: answer(aggregate),
  setAggregateMetadata: answer(aggregate),
  listZones: pieces(
    make(Zone, { name: 'nova', available: true, services: [service] }),
    make(Zone, { name: 'internal', available: true, services: [] }),
  ),
  listServices: pieces(service),
  updateService: answer(service),
  deleteService: answer(new Empty()),
  listHypervisors: pieces(hypervisor),
  getHypervisor: answer(hypervisor),
  listHostStates: pieces(),
  getHostDigest: async () => {
    throw failure('Conflict', 'not asked by the api');
  },
  listKeypairs: pieces(keypair),
  getKeypair: answer(keypair),
  createKeypair: async (_context, request) =>
    make(Keypair, {
      ...keypair,
      name: request.name,
      userId: request.userId,
      type: request.type,
      publicKey: request.publicKey,
      fingerprint: request.fingerprint,
    }),
  deleteKeypair: answer(new Empty()),
  getQuota: answer(quota),
  updateQuota: answer(quota),
  deleteQuota: answer(new Empty()),
  getQuotaClass: answer(quota),
  updateQuotaClass: answer(quota),
  listServerGroups: pieces(group),
  getServerGroup: answer(group),
  createServerGroup: answer(group),
  deleteServerGroup: answer(new Empty()),
  serviceHeartbeat: () => undefined,
  oldestConductor: () => make(ConductorVersion, { oldest: version }),
};

/** Serves the conductor's contract with canned rows; `changes` replace some of the answers. Everything asked for a client is noted in `asked`. */
export async function serveCannedConductor(transport: Transport, changes: Partial<CannedHandlers>) {
  const asked: { readonly method: string; readonly request: unknown; readonly context: Context }[] = [];
  const all = { ...handlers, ...changes } as Record<string, (context: Context, request: unknown) => unknown>;
  const noted = Object.fromEntries(
    Object.entries(all).map(([method, handle]) => [
      method,
      (context: Context, request: unknown) => {
        if (method !== 'oldestConductor') asked.push({ method, request, context });
        return handle(context, request);
      },
    ]),
  );
  const serving = await serve(transport, conductorContract, noted as unknown as CannedHandlers);
  return { asked, stop: () => serving.stop() };
}
