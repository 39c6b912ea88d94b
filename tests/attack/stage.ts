import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brokerUrl } from '../support/broker.ts';
import { startCloud, type Cloud } from '../support/cloud.ts';
import { eventually } from '../support/eventually.ts';
import { Attacker } from './attacker.ts';

export const STOLEN = 'host-1';

/** A cloud of several tenants with work under way, and somebody who took over one of its hosts. */
export interface Stage {
  readonly cloud: Cloud;
  readonly attacker: Attacker;
  readonly namespace: string;
  /** On the stolen host. */
  readonly own: string;
  /** By what they are. */
  readonly victims: Readonly<Record<'settled' | 'ofAnotherTenant' | 'moving' | 'incoming' | 'former' | 'unconfirmed' | 'building', string>>;
  readonly passwords: readonly string[];
  /** The sum of a metric of the conductor over the labels that match. */
  metric(name: string, labels?: string): Promise<number>;
  status(uuid: string): Promise<string>;
}

interface Server {
  readonly id: string;
  readonly status: string;
}

export async function aStolenHost(): Promise<Stage> {
  const cloud = await startCloud({
    accounts: 'separate',
    hosts: 3,
    config: {
      fake: { latency_ms: { spawn: 10 }, control_poll_ms: 1 },
      // Two moves are under way, and nothing is told of them that would change rows by itself.
      conductor: { max_concurrent_live_migrations: 0 },
      compute: { transfer_report_ms: 600_000 },
    },
  });
  try {
    return await take(cloud);
  } catch (error) {
    await cloud.stop().catch(() => undefined);
    throw error;
  }
}

async function take(cloud: Cloud): Promise<Stage> {
  const imageRef = await cloud.imageId();
  const admin = cloud.client();
  const status = async (uuid: string) => (await admin.expect<{ server: Server }>('GET', `/servers/${uuid}`)).server.status;
  const until = (uuid: string, wanted: string) =>
    eventually(
      () => status(uuid),
      (found) => found === wanted,
      { timeoutMs: 30_000, everyMs: 100, what: `${wanted} of ${uuid}` },
    );
  const create = async (name: string, host: string, client = admin) => {
    const body = { server: { name, flavorRef: '1', imageRef, networks: 'none', ...(client === admin ? { host } : {}) } };
    return (await client.expect<{ server: Server }>('POST', '/servers', { body })).server.id;
  };
  const active = async (name: string, host: string, client = admin) => {
    const uuid = await create(name, host, client);
    await until(uuid, 'ACTIVE');
    return uuid;
  };
  const act = (uuid: string, body: object) => admin.expect('POST', `/servers/${uuid}/action`, { body });
  const rule = (host: string, verb: string) =>
    writeFileSync(join(cloud.dir, host, 'fake-control.json'), JSON.stringify({ hold: { verb, effect: 'hang' } }));

  const own = await active('own', STOLEN);
  const former = await active('former', STOLEN);
  await act(former, { 'os-migrateLive': { host: 'host-2', block_migration: 'auto' } });
  await until(former, 'ACTIVE');
  const unconfirmed = await active('unconfirmed', 'host-2');
  await act(unconfirmed, { migrate: { host: 'host-3' } });
  await until(unconfirmed, 'VERIFY_RESIZE');
  const [settled, moving, incoming] = await Promise.all(['settled', 'moving', 'incoming'].map((name) => active(name, 'host-2')));
  // A member names no host: until one is somewhere else than on the stolen one.
  let ofAnotherTenant = '';
  for (let host: string | undefined = STOLEN; host === STOLEN;) {
    ofAnotherTenant = await active('another', '', cloud.client(cloud.demo));
    host = (await cloud.database.query<{ host: string }>('select host from instances where uuid = $1', [ofAnotherTenant]))[0]?.host;
  }
  rule('host-2', 'migrateOut');
  await act(moving!, { 'os-migrateLive': { host: 'host-3', block_migration: 'auto' } });
  await act(incoming!, { 'os-migrateLive': { host: STOLEN, block_migration: 'auto' } });
  rule('host-3', 'spawn');
  const building = await create('building', 'host-3');
  const parked = () =>
    cloud.database.query<{ awaits: string }>(`select awaits from tasks where state = 'parked' and awaits_host in ('host-2', 'host-3')`);
  await eventually(parked, (rows) => rows.length === 3, { timeoutMs: 30_000, what: 'two moves and a build under way' });

  const { broker, ...rest } = JSON.parse(readFileSync(join(cloud.dir, 'kilonova.yaml'), 'utf8')) as {
    broker: { namespace: string; host_passwords: Record<string, string> } & Record<string, string>;
  };
  await cloud.kill(cloud.of('compute').find(({ name }) => name === STOLEN)!);
  const address = new URL(brokerUrl());
  Object.assign(address, { username: `compute.${STOLEN}`, password: broker.host_passwords[STOLEN] });
  const attacker = await Attacker.connect(address.href, broker.namespace, STOLEN);
  const probe = (await cloud.of('conductor')[0]!.process.ready()).find((one) => one.endsWith('/healthz'))!;
  return {
    ...{ cloud, attacker, namespace: broker.namespace, own, status },
    victims: { settled: settled!, ofAnotherTenant, moving: moving!, incoming: incoming!, former, unconfirmed, building },
    passwords: [
      ...Object.values(broker.host_passwords),
      ...Object.entries(broker)
        .filter(([name]) => name.endsWith('_password'))
        .flatMap(([, value]) => (typeof value === 'string' ? [value] : [])),
      ...secretsOf(rest),
    ],
    async metric(name, labels = '') {
      const text = await (await fetch(probe.replace('/healthz', '/metrics'), { signal: AbortSignal.timeout(10_000) })).text();
      const lines = text.split('\n').filter((line) => line.startsWith(`${name}{`) && line.includes(labels));
      return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
    },
  };
}

const secretsOf = (sections: object): readonly string[] =>
  Object.values(sections).flatMap((section) =>
    Object.entries(section as Record<string, unknown>).flatMap(([name, value]) => (name.endsWith('password') ? [String(value)] : [])),
  );
