import {
  ActOnServer,
  conductorContract,
  ListAggregates,
  ListFlavors,
  ListHostStates,
  ListHypervisors,
  ListKeypairs,
  ListServerActions,
  ListServerGroups,
} from '@kilonova/objects';
import {
  ListServers,
  ListServices,
  ListZones,
  QuotaRef,
  ServerActionRef,
  ServerFilters,
  ServerRef,
  ServiceHeartbeat,
} from '@kilonova/objects';
import { createClient, Empty, InProcessBroker, serve, type Client, type Server } from '@kilonova/rpc';
import { defaultsOf } from '@kilonova/runtime';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { databaseSection } from '../config.ts';
import { openDatabase } from '../db/connection.ts';
import { Heartbeats } from '../hosts/heartbeats.ts';
import { freshDatabase, type FreshDatabase } from '../testing/fresh-database.ts';
import { aFlavor, aHost, anAdmin, aRequest, collect, testServices } from '../testing/services.ts';
import { conductorHandlers } from './index.ts';

const broker = new InProcessBroker();
const transport = broker.connect({ service: 'test', id: 'one' });
let database: FreshDatabase;
let server: Server;
let conductor: Client<typeof conductorContract>;
const scope = anAdmin({ projectId: 'demo' });
const versions = { saw: () => undefined, oldestConductor: '1.0' };

beforeAll(async () => {
  database = await freshDatabase();
  const services = testServices(database);
  await aHost(services, 'h1');
  const heartbeats = new Heartbeats(services);
  server = await serve(
    transport,
    conductorContract,
    conductorHandlers({ services, heartbeats, versions, actOnServer: async () => new Empty() }),
  );
  conductor = createClient(transport, conductorContract);
});
afterAll(async () => {
  await server.stop();
  await transport.close();
  await database.close();
});

const ask = <T extends object>(Request: new () => T, fields: object): T => Object.assign(new Request(), fields);

test('every resource crosses the wire as the database has it', async () => {
  await conductor.createFlavor({ scope, flavor: aFlavor({ extraSpecs: { coolhardware: 'true' } }) });
  await conductor.createKeypair({ scope, userId: scope.userId, name: 'k', type: 'ssh', publicKey: 'p', fingerprint: 'f' });
  const group = await conductor.createServerGroup({ scope, name: 'g', policy: 'anti-affinity', maxServersPerHost: 2 });
  const aggregate = await conductor.createAggregate({ scope, name: 'a', availabilityZone: 'az-1' });
  await conductor.changeAggregateHost({ scope, id: aggregate.id, host: 'h1', member: true });
  const { serverUuids } = await conductor.createServers(
    aRequest({ scope, maxCount: 2, availabilityZone: 'az-1', keyName: 'k', hints: { group: group.uuid } }),
  );
  const uuid = serverUuids[0]!;
  await database.knex.raw(
    `update instances set host = 'h1', node = 'h1', vm_state = 'active', task_state = null, launched_at = kilonova_now() where uuid = ?`,
    [uuid],
  );
  await conductor.serviceHeartbeat(ask(ServiceHeartbeat, { binary: 'nova-scheduler', host: 'c1', version: '1.0' }));

  expect(await conductor.getServer(ask(ServerRef, { scope, uuid }))).toMatchObject({
    uuid,
    availabilityZone: 'az-1',
    hostStatus: 'UP',
    keyName: 'k',
    serverGroupId: group.uuid,
    flavor: { extraSpecs: { coolhardware: 'true' } },
  });
  const listed = { scope, limit: 10 };
  expect(await collect(conductor.listServers(ask(ListServers, { ...listed, filters: new ServerFilters() })))).toHaveLength(2);
  expect(await collect(conductor.listServerNames(ask(ListServers, { ...listed, filters: new ServerFilters() })))).toHaveLength(2);
  expect(await conductor.changeServerMetadata({ scope, uuid, how: 'merge', metadata: { a: 'b' } })).toEqual({ metadata: { a: 'b' } });
  expect(await conductor.updateServer({ scope, uuid, changes: { description: null, name: 'new' } })).toMatchObject({
    name: 'new',
    description: null,
  });
  await conductor.actOnServer(ask(ActOnServer, { scope, uuid, action: 'stop' }));
  const actions = await collect(conductor.listServerActions(ask(ListServerActions, { ...listed, uuid })));
  expect(actions.map((action) => action.action)).toEqual(['create']);
  expect(await conductor.getServerAction(ask(ServerActionRef, { scope, uuid, actionRequestId: actions[0]!.requestId }))).toMatchObject({
    action: 'create',
  });
  expect(await collect(conductor.listFlavors(ask(ListFlavors, listed)))).toMatchObject([{ flavorId: '1' }]);
  expect(await collect(conductor.listKeypairs(ask(ListKeypairs, { ...listed, userId: scope.userId })))).toMatchObject([{ name: 'k' }]);
  expect(await collect(conductor.listServerGroups(ask(ListServerGroups, listed)))).toMatchObject([{ maxServersPerHost: 2 }]);
  expect(await collect(conductor.listAggregates(ask(ListAggregates, { scope })))).toMatchObject([{ hosts: ['h1'] }]);
  expect(await conductor.setAggregateMetadata({ scope, id: aggregate.id, metadata: { x: 'y', z: null } })).toMatchObject({
    metadata: { x: 'y' },
  });
  // The zone of services is there too as soon as the heartbeat is written.
  const zones = await collect(conductor.listZones(ask(ListZones, { scope, withServices: true })));
  expect(zones.filter(({ name }) => name !== 'internal')).toMatchObject([{ name: 'az-1', services: [{ host: 'h1' }] }]);
  expect(await collect(conductor.listHypervisors(ask(ListHypervisors, { ...listed, withServers: true })))).toMatchObject([
    { hostname: 'h1', servers: [{ uuid }] },
  ]);
  expect(await collect(conductor.listHostStates(ask(ListHostStates, {})))).toMatchObject([{ host: 'h1', availabilityZone: 'az-1' }]);
  expect(await conductor.getHostDigest(new Empty())).toMatchObject({ hosts: 1 });
  expect(await conductor.getQuota(ask(QuotaRef, { scope, projectId: 'demo' }))).toMatchObject({
    inUse: { instances: 2, server_groups: 1 },
  });
  await vi.waitFor(
    async () => expect(await collect(conductor.listServices(ask(ListServices, { scope })))).toMatchObject([{ host: 'h1' }, { host: 'c1' }]),
    { timeout: 5_000 },
  );
});

test.each([
  { title: 'NUL in a text', changes: { name: 'a\0b' } },
  { title: 'NUL in a JSON text', changes: { metadata: { a: '\0' } } },
])("$title is the caller's mistake", async ({ changes }) => {
  await expect(conductor.createServers(aRequest({ scope, ...changes }))).rejects.toMatchObject({ code: 'InvalidInput' });
});

test("a regular expression that cannot be read is the caller's mistake, and a number out of range too", async () => {
  const list = (filters: Partial<ServerFilters>) =>
    collect(conductor.listServers(ask(ListServers, { scope, limit: 10, filters: ask(ServerFilters, filters) })));
  await expect(list({ name: '(' })).rejects.toMatchObject({ code: 'InvalidInput' });
  await expect(list({ powerStates: [1e12] })).rejects.toMatchObject({ code: 'InvalidInput' });
  await expect(list({ createdAt: 'yesterday-ish' })).rejects.toMatchObject({ code: 'InvalidInput' });
});

test('without a database every call ends soon, as unavailable', async () => {
  const config = {
    ...defaultsOf(databaseSection),
    url: 'postgres://nobody@127.0.0.1:9/none',
    acquireTimeoutMs: 500,
    connectTimeoutMs: 300,
  };
  const knex = openDatabase(config);
  const services = testServices({ knex, config });
  const lonely = await serve(
    transport,
    { ...conductorContract, topic: 'lonely' },
    conductorHandlers({ services, heartbeats: new Heartbeats(services), versions, actOnServer: async () => new Empty() }),
  );
  const client = createClient(transport, { ...conductorContract, topic: 'lonely' });
  const started = performance.now();
  await expect(client.getServer(ask(ServerRef, { scope, uuid: services.random.uuid() }))).rejects.toMatchObject({
    code: 'DatabaseUnavailable',
  });
  await expect(collect(client.listFlavors(ask(ListFlavors, { scope, limit: 1 })))).rejects.toMatchObject({ code: 'DatabaseUnavailable' });
  await expect(client.createServers(aRequest())).rejects.toMatchObject({ code: 'DatabaseUnavailable' });
  expect(performance.now() - started).toBeLessThan(5_000);
  await lonely.stop();
  await knex.destroy();
});
