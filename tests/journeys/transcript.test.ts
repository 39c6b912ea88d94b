/**
 * What a person at a terminal sees: the `nova` and `openstack` commands of Debian, unmodified, against separate processes
 * on RabbitMQ and PostgreSQL. The steps build on each other, as in a session.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startCloud, type Cloud } from '../support/cloud.ts';
import { eventually } from '../support/eventually.ts';
import { novaTable, stockClients, type StockClients } from '../support/openstack.ts';

let cloud: Cloud;
let admin: StockClients;
let demo: StockClients;
let hosts: readonly string[];

interface ServerRow {
  readonly ID: string;
  readonly Name: string;
  readonly Status: string;
}
type Shown = Readonly<Record<string, unknown>>;

beforeAll(async () => {
  cloud = await startCloud({ hosts: 4, config: { fake: { memory_mb: 16_384 } } });
  admin = stockClients(cloud.admin);
  demo = stockClients(cloud.demo);
  hosts = cloud.hosts;
});

afterAll(async () => {
  admin?.close();
  demo?.close();
  await cloud?.stop();
});

const hostOf = (server: Shown) => server['OS-EXT-SRV-ATTR:host'];
const creating = ['server', 'create', '--flavor', 'm1.tiny', '--image', 'cirros', '--wait'] as const;
const bootIn = (...args: readonly string[]) => admin.json<Shown>(...creating, ...args);
/** The client of a server that ended in ERROR prints so, shows nothing of it, and ends with code 0 all the same. */
const bootInVain = (...args: readonly string[]) => admin.openstack(...creating, ...args);

test('nova: aggregates, a zone, a flavor with an extra spec', async () => {
  expect(await admin.nova('aggregate-create', 'test-aggregate1')).toMatch(/\| 1 +\| test-aggregate1 +\| - +\|/);
  expect(await admin.nova('aggregate-create', 'test-aggregate2', 'test-az')).toMatch(
    /\| 2 +\| test-aggregate2 +\| test-az +\|.*'availability_zone=test-az'/,
  );
  expect(await admin.nova('aggregate-add-host', '2', hosts[0]!)).toContain(`Host ${hosts[0]} has been successfully added for aggregate 2`);
  expect(await admin.nova('flavor-create', '--is-public', 'true', 'm1.coolhardware', '100', '2048', '20', '2')).toMatch(
    /\| 100 +\| m1\.coolhardware +\| 2048 +\| 20 +\|/,
  );
  await admin.nova('flavor-key', '100', 'set', 'coolhardware=true');
  expect(novaTable(await admin.nova('flavor-show', '100'))).toMatchObject({
    name: 'm1.coolhardware',
    extra_specs: '{"coolhardware": "true"}',
    ram: '2048',
    vcpus: '2',
  });
  expect(await admin.nova('aggregate-set-metadata', '1', 'coolhardware=true')).toContain("'coolhardware=true'");
});

test('nova: a server with a zone lands in it', async () => {
  const image = (await admin.json<readonly Shown[]>('image', 'list')).find(({ Name }) => Name === 'cirros')!['ID'] as string;
  const booted = novaTable(
    await admin.nova('boot', '--flavor', 'm1.tiny', '--image', image, '--availability-zone', 'test-az', 'testinstance', '--poll'),
  );
  expect(booted).toMatchObject({ name: 'testinstance' });
  const shown = novaTable(await admin.nova('show', 'testinstance'));
  expect(shown).toMatchObject({
    status: 'ACTIVE',
    'OS-EXT-AZ:availability_zone': 'test-az',
    'OS-EXT-SRV-ATTR:host': hosts[0],
    'OS-EXT-STS:vm_state': 'active',
  });
});

test('a host cannot be in two zones, and a zone with servers cannot be changed from under them', async () => {
  await admin.nova('aggregate-create', 'test-aggregate3', 'other-az');
  await expect(admin.nova('aggregate-add-host', '3', hosts[0]!)).rejects.toThrow(/409/);
  await expect(admin.openstack('aggregate', 'set', '--zone', 'renamed-az', 'test-aggregate2')).rejects.toThrow(/400/);
  await expect(admin.nova('aggregate-remove-host', '2', hosts[0]!)).rejects.toThrow(/409/);
});

test('a flavor with an extra spec lands only on hosts of an aggregate with the matching metadata', async () => {
  expect(await bootInVain('--flavor', '100', 'nowhere')).toContain('Error creating server');
  const fault = (await admin.json<Shown>('server', 'show', 'nowhere'))['fault'] as Shown;
  expect(fault['message']).toBe('No valid host was found. 4 hosts considered: 4 not in an aggregate with coolhardware=true');
  await admin.openstack('aggregate', 'add', 'host', 'test-aggregate1', hosts[2]!);
  expect(hostOf(await bootIn('--flavor', '100', 'cool'))).toBe(hosts[2]);
});

test('when no host fits, the fault says why, filter by filter', async () => {
  await admin.openstack('flavor', 'create', '--ram', '40000', '--disk', '1', '--vcpus', '1', 'm1.huge');
  expect(await bootInVain('--flavor', 'm1.huge', '--availability-zone', 'test-az', 'huge')).toContain('Error creating server');
  const shown = await admin.json<Shown>('server', 'show', 'huge');
  expect(shown['status']).toBe('ERROR');
  expect((shown['fault'] as Shown)['message']).toMatch(
    /^No valid host was found\. 4 hosts considered: 3 not in zone test-az, 1 with \d+ of 40000 MiB free$/,
  );
});

test('openstack: aggregates, flavors, zones, hypervisors, services', async () => {
  await admin.openstack('aggregate', 'create', '--zone', 'az-x', 'agg-x');
  expect(await admin.json<Shown>('aggregate', 'show', 'agg-x')).toMatchObject({ name: 'agg-x', availability_zone: 'az-x' });
  await admin.openstack('aggregate', 'set', '--property', 'ssd=true', 'agg-x');
  expect((await admin.json<Shown>('aggregate', 'show', 'agg-x'))['properties']).toMatchObject({ ssd: 'true' });
  await admin.openstack('aggregate', 'delete', 'agg-x');
  await admin.openstack('flavor', 'create', '--id', 'f-1', '--ram', '64', '--disk', '0', '--vcpus', '1', 'm1.nano');
  await admin.openstack('flavor', 'set', '--property', 'hw:cpu_policy=shared', 'm1.nano');
  expect((await admin.json<Shown>('flavor', 'show', 'm1.nano'))['properties']).toMatchObject({ 'hw:cpu_policy': 'shared' });
  await admin.openstack('flavor', 'delete', 'm1.nano');
  const zones = await admin.json<readonly Shown[]>('availability', 'zone', 'list', '--long', '--compute');
  expect(zones.map((zone) => zone['Zone Name'])).toEqual(expect.arrayContaining(['test-az', 'nova', 'internal']));
  expect((await admin.json<readonly Shown[]>('hypervisor', 'list')).map((row) => String(row['Hypervisor Hostname'])).toSorted()).toEqual(
    [...hosts].toSorted(),
  );
  await admin.openstack('compute', 'service', 'set', '--disable', '--disable-reason', 'broken fan', hosts[3]!, 'nova-compute');
  const services = await admin.json<readonly Shown[]>('compute', 'service', 'list', '--long');
  expect(services.find(({ Host }) => Host === hosts[3])).toMatchObject({
    Binary: 'nova-compute',
    Status: 'disabled',
    State: 'up',
    'Disabled Reason': 'broken fan',
  });
  await admin.openstack('compute', 'service', 'set', '--enable', hosts[3]!, 'nova-compute');
});

test('openstack: a server through its life, as an ordinary member', async () => {
  const created = await demo.json<Shown>(
    'server',
    'create',
    '--flavor',
    'm1.tiny',
    '--image',
    'cirros',
    '--property',
    'role=web',
    '--wait',
    'life',
  );
  expect(created).toMatchObject({ name: 'life', status: 'ACTIVE' });
  const id = created['id'] as string;
  const status = async () => (await demo.json<Shown>('server', 'show', id))['status'];
  expect((await demo.json<readonly ServerRow[]>('server', 'list')).map(({ Name }) => Name)).toEqual(['life']);
  await demo.openstack('server', 'stop', id);
  await eventually(status, (seen) => seen === 'SHUTOFF');
  await demo.openstack('server', 'start', id);
  await eventually(status, (seen) => seen === 'ACTIVE');
  await demo.openstack('server', 'reboot', '--wait', id);
  await demo.openstack('server', 'reboot', '--hard', '--wait', id);
  const events = await demo.json<readonly Shown[]>('server', 'event', 'list', id);
  expect(events.map(({ Action }) => Action)).toEqual(['reboot', 'reboot', 'start', 'stop', 'create']);
  const creation = events.at(-1)!['Request ID'] as string;
  const event = await demo.json<Shown>('server', 'event', 'show', id, creation);
  expect(event).toMatchObject({ action: 'create', message: null });
  await demo.openstack('server', 'delete', '--wait', id);
  await expect(demo.openstack('server', 'show', id)).rejects.toThrow(/No server with a name or ID/);
});

test('openstack: key pairs, limits and quotas', async () => {
  expect(await demo.openstack('keypair', 'create', 'mine')).toContain('PRIVATE KEY');
  expect(await demo.json<readonly Shown[]>('keypair', 'list')).toMatchObject([{ Name: 'mine' }]);
  await demo.openstack('keypair', 'delete', 'mine');
  const limits = await demo.json<readonly { Name: string; Value: number }[]>('limits', 'show', '--absolute');
  expect(Object.fromEntries(limits.map(({ Name, Value }) => [Name, Value]))).toMatchObject({
    maxTotalInstances: 10,
    maxTotalCores: 20,
    totalInstancesUsed: 0,
  });
  await admin.openstack('quota', 'set', '--instances', '1', 'demo');
  expect(await admin.json<Shown>('quota', 'show', 'demo')).toMatchObject({ instances: 1 });
  await expect(
    demo.openstack('server', 'create', '--flavor', 'm1.tiny', '--image', 'cirros', '--min', '2', '--max', '2', 'many'),
  ).rejects.toThrow(/Quota exceeded for instances: Requested 2, but already used 0 of 1 instances/);
});

test.each(['none', 'auto'])('--nic %s means no network', async (network) => {
  // The client itself refuses these words below 2.37.
  const server = await admin.json<Shown>(
    '--os-compute-api-version',
    '2.37',
    'server',
    'create',
    '--flavor',
    'm1.tiny',
    '--image',
    'cirros',
    '--nic',
    network,
    '--wait',
    `net-${network}`,
  );
  expect(server).toMatchObject({ status: 'ACTIVE' });
});

test('a server of another project does not exist for a member', async () => {
  const foreign = (await admin.json<readonly ServerRow[]>('server', 'list')).find(({ Name }) => Name === 'testinstance')!.ID;
  await expect(demo.openstack('server', 'delete', foreign)).rejects.toThrow(/No server with a name or ID|could not be found/);
  await expect(demo.openstack('server', 'list', '--all-projects')).rejects.toThrow(/403/);
});
