import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brokerUrl, freshNamespace, importDefinitions } from './broker.ts';
import { cloudConfig, freshPasswords, mergedConfig, separateAccounts, type Addresses, type ConfigDocument } from './cloud-config.ts';
import { ComputeClient, freshToken } from './compute-client.ts';
import { freshDatabase, type TestDatabase } from './database.ts';
import { eventually } from './eventually.ts';
import type { Credentials } from './openstack.ts';
import { KilonovaProcess, type Build } from './process.ts';
import { freePorts } from './services/free-port.ts';

export interface CloudOptions {
  readonly apis?: number;
  readonly conductors?: number;
  readonly schedulers?: number;
  /** Hosts with the fake driver, one process each: how many, or their names. */
  readonly hosts?: number | readonly string[];
  /** Zone to the hosts in it; an aggregate of the same name is made for each. */
  readonly zones?: Readonly<Record<string, readonly string[]>>;
  /** separate: each service and each host has a broker account of its own. Needs a broker that the test run started; one such cloud at a time. */
  readonly accounts?: 'shared' | 'separate';
  /** The address at which the cloud reaches its database, made from the straight one. */
  readonly databaseThrough?: (url: string) => string;
  /** Of which all processes are at the start; `replace` makes one of them another's. */
  readonly build?: Build;
  /** The PostgreSQL that the cloud's databases are made on; that of the test run if none is named. */
  readonly databaseServer?: string;
  /** Asked before each start of a process for what it gets besides. */
  readonly launch?: (role: Role, name: string, addresses: Addresses) => Launch;
  /** Over the defaults of a test cloud, key by key. */
  readonly config?: ConfigDocument;
}

/** What one process gets besides what all get. */
export interface Launch {
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** `standalone` are identity and image together. */
export type Role = 'standalone' | 'conductor' | 'scheduler' | 'api' | 'compute';

/** A place for a process, which a test may kill and start again: the same arguments, folder and addresses. */
export interface Member {
  readonly role: Role;
  readonly name: string;
  readonly args: readonly string[];
  build: Build;
  process: KilonovaProcess;
}

/** A whole cloud as separate processes, on the RabbitMQ and the PostgreSQL of this test run, with the flavors m1.tiny to m1.xlarge and the image cirros. */
export interface Cloud {
  /** Holds the configuration, the images, and a folder per host with its journal and its fake driver's domains. */
  readonly dir: string;
  /** The configuration of all its processes. */
  readonly file: string;
  readonly database: TestDatabase;
  readonly hosts: readonly string[];
  readonly members: readonly Member[];
  /** The first part of all its names on the broker. */
  readonly namespace: string;
  readonly admin: Credentials;
  readonly demo: Credentials;
  /** One per api process, without a version: http://127.0.0.1:port. */
  readonly computeUrls: readonly string[];
  of(role: Role): readonly Member[];
  client(credentials?: Credentials): ComputeClient;
  /** Of the image `cirros`, which the built-in image service has from its start. */
  imageId(): Promise<string>;
  /** kill -9, if it still runs. */
  kill(member: Member): Promise<void>;
  /** Starts a member that has ended, and waits until it is ready. */
  revive(member: Member): Promise<void>;
  /** Ends a member gracefully and starts it again as a process of the build. Throws when it does not end well. */
  replace(member: Member, build: Build): Promise<void>;
  /** Graceful. Throws when a process had to be killed or ended with an error; removes everything in any case. */
  stop(): Promise<void>;
}

export async function startCloud(options: CloudOptions = {}): Promise<Cloud> {
  const undo: (() => Promise<unknown>)[] = [];
  try {
    return await openCloud(options, undo);
  } catch (error) {
    await undoAll(undo);
    throw error;
  }
}

async function openCloud(
  {
    apis = 1,
    conductors = 1,
    schedulers = 1,
    hosts = 2,
    zones = {},
    accounts = 'shared',
    databaseThrough = (url) => url,
    build = {},
    databaseServer,
    launch = () => ({}),
    config = {},
  }: CloudOptions,
  undo: (() => Promise<unknown>)[],
): Promise<Cloud> {
  const dir = mkdtempSync(join(tmpdir(), 'kilonova-cloud-'));
  undo.push(async () => rmSync(dir, { recursive: true, force: true }));
  const database = await freshDatabase(databaseServer);
  undo.push(() => database.drop());
  const standaloneDatabase = await freshDatabase(databaseServer);
  undo.push(() => standaloneDatabase.drop());

  const firstPort = await freePorts(2 + apis);
  const ports = { identity: firstPort, image: firstPort + 1, compute: firstPort + 2 };
  const passwords = freshPasswords();
  const addresses = {
    brokerUrl: brokerUrl(),
    namespace: freshNamespace(),
    databaseUrl: databaseThrough(database.url),
    standaloneDatabaseUrl: standaloneDatabase.url,
    ports,
    dir,
  };
  const hostNames = typeof hosts === 'number' ? numbered('host', hosts) : hosts;
  const file = join(dir, 'kilonova.yaml');
  const base = cloudConfig(addresses, passwords);
  const document = mergedConfig(accounts === 'separate' ? mergedConfig(base, separateAccounts(hostNames)) : base, config);
  writeFileSync(file, JSON.stringify(document, undefined, 2), { mode: 0o600 }); // JSON is YAML

  const members: Member[] = [];
  const spawn = (role: Role, name: string, args: readonly string[], of: Build) => {
    const { args: more = [], env = {} } = launch(role, name, addresses);
    return KilonovaProcess.spawn([...args, ...more], { build: of, cwd: dir, env });
  };
  const add = async (role: Role, name: string, ...more: readonly string[]) => {
    const args = [role, '--config', file, ...more];
    const member = { role, name, args, build, process: spawn(role, name, args, build) };
    members.push(member);
    undo.push(() => member.process.kill());
    await member.process.ready();
  };

  await KilonovaProcess.run(['db', 'migrate', '--config', file], { build, cwd: dir });
  if (accounts === 'separate') {
    const vhost = decodeURIComponent(new URL(brokerUrl()).pathname.slice(1)) || '/';
    const definitions = await KilonovaProcess.run(['broker', 'definitions', '--config', file, '--vhost', vhost], { cwd: dir });
    await importDefinitions(JSON.parse(definitions) as Record<string, unknown>);
  }
  await Promise.all([add('standalone', 'standalone'), ...numbered('conductor', conductors).map((name) => add('conductor', name))]);
  await Promise.all([
    ...numbered('scheduler', schedulers).map((name) => add('scheduler', name)),
    ...numbered('api', apis).map((name, index) => add('api', name, '--set', `api.port=${ports.compute + index}`)),
    ...hostNames.map((name) => add('compute', name, '--host', name, '--state', dir)),
  ]);

  const authUrl = `http://127.0.0.1:${ports.identity}/v3`;
  const admin = { authUrl, username: 'admin', password: passwords.admin, project: 'admin' };
  const computeUrls = numbered('api', apis).map((_, index) => `http://127.0.0.1:${ports.compute + index}`);
  const client = (credentials: Credentials = admin) => new ComputeClient(credentials, `http://127.0.0.1:${ports.compute}`);
  await hostsAreUp(client(), hostNames);
  await makeFlavors(client());
  await makeZones(client(), zones);

  const revive = async (member: Member) => {
    await member.process.ended;
    member.process = spawn(member.role, member.name, member.args, member.build);
    await member.process.ready();
  };

  return {
    dir,
    file,
    database,
    hosts: hostNames,
    members,
    namespace: addresses.namespace,
    admin,
    demo: { authUrl, username: 'demo', password: passwords.demo, project: 'demo' },
    computeUrls,
    of: (role) => members.filter((member) => member.role === role),
    client,
    imageId: () => imageNamed('cirros', `http://127.0.0.1:${ports.image}`, admin),
    kill: async (member) => void (await member.process.kill()),
    revive,
    async replace(member, next) {
      const { code, signal } = await member.process.stop();
      if (code !== 0)
        throw new Error(`${member.name} ended with ${signal ?? code} after SIGTERM: ${member.process.output().slice(-4_000)}`);
      member.build = next;
      await revive(member);
    },
    stop: () => stopCloud(members, undo),
  };
}

const numbered = (word: string, count: number) => Array.from({ length: count }, (_, index) => `${word}-${index + 1}`);

async function hostsAreUp(client: ComputeClient, hosts: readonly string[]): Promise<void> {
  await eventually(
    async () =>
      (await client.expect<{ services: readonly { host: string; state: string }[] }>('GET', '/os-services?binary=nova-compute')).services,
    (services) => hosts.every((host) => services.some((service) => service.host === host && service.state === 'up')),
    { timeoutMs: 60_000, everyMs: 200, what: `compute service "up" of ${hosts.join(', ')}` },
  );
}

/** Nova's traditional five, ids 1 to 5, as `kilonova up` makes them. */
const FLAVORS = [
  { id: '1', name: 'm1.tiny', vcpus: 1, ram: 512, disk: 1 },
  { id: '2', name: 'm1.small', vcpus: 1, ram: 2_048, disk: 20 },
  { id: '3', name: 'm1.medium', vcpus: 2, ram: 4_096, disk: 40 },
  { id: '4', name: 'm1.large', vcpus: 4, ram: 8_192, disk: 80 },
  { id: '5', name: 'm1.xlarge', vcpus: 8, ram: 16_384, disk: 160 },
];

async function makeFlavors(client: ComputeClient): Promise<void> {
  for (const flavor of FLAVORS) await client.expect('POST', '/flavors', { body: { flavor } });
}

async function makeZones(client: ComputeClient, zones: Readonly<Record<string, readonly string[]>>): Promise<void> {
  for (const [zone, hosts] of Object.entries(zones)) {
    const { aggregate } = await client.expect<{ aggregate: { id: number } }>('POST', '/os-aggregates', {
      body: { aggregate: { name: zone, availability_zone: zone } },
    });
    for (const host of hosts) await client.expect('POST', `/os-aggregates/${aggregate.id}/action`, { body: { add_host: { host } } });
  }
}

async function imageNamed(name: string, imageUrl: string, credentials: Credentials): Promise<string> {
  const response = await fetch(`${imageUrl}/v2/images?name=${name}`, {
    headers: { 'x-auth-token': await freshToken(credentials) },
    signal: AbortSignal.timeout(30_000),
  });
  const { images } = (await response.json()) as { images?: readonly { id: string }[] };
  const [found] = images ?? [];
  if (found === undefined) throw new Error(`expected an image named ${name} in the image service, found none (status ${response.status})`);
  return found.id;
}

/** Clients first, so that nobody waits for an answer that will not come. */
const STOP_ORDER: readonly Role[] = ['api', 'compute', 'scheduler', 'conductor', 'standalone'];

async function stopCloud(members: readonly Member[], undo: (() => Promise<unknown>)[]): Promise<void> {
  const complaints: unknown[] = [];
  for (const role of STOP_ORDER)
    await Promise.all(
      members
        .filter((member) => member.role === role)
        .map(async ({ process, name }) => {
          try {
            const { code, signal } = await process.stop();
            if (code !== 0 && signal !== 'SIGKILL')
              complaints.push(new Error(`${name} ended with ${signal ?? code} after SIGTERM: ${process.output().slice(-4_000)}`));
          } catch (error) {
            complaints.push(error);
          }
        }),
    );
  await undoAll(undo);
  if (complaints.length > 0)
    throw new AggregateError(
      complaints,
      `${complaints.length} processes of the cloud did not end well: ${complaints.map(String).join('\n')}`,
    );
}

async function undoAll(undo: (() => Promise<unknown>)[]): Promise<void> {
  for (const step of undo.splice(0).toReversed()) await step().catch(() => undefined); // the rest is put away all the same
}
