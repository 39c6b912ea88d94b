/**
 * Days on which a part is missing: the broker, the database, a conductor, a host. What was accepted comes true, who asks
 * meanwhile is told so in bounded time, and everything works again by itself when the part returns.
 */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { domainsOf } from '../crash/invariants.ts';
import { killBroker, startBroker } from '../support/broker.ts';
import { startCloud, type Cloud, type Member } from '../support/cloud.ts';
import type { ComputeClient } from '../support/compute-client.ts';
import { eventually } from '../support/eventually.ts';
import { serviceAddress } from '../support/environment.ts';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';

let cloud: Cloud;
let proxy: TcpProxy;
let client: ComputeClient;
let imageRef: string;

beforeAll(async () => {
  proxy = await startTcpProxy(serviceAddress('KILONOVA_TEST_PG_URL'));
  cloud = await startCloud({
    conductors: 2,
    hosts: 2,
    databaseThrough: (url) => proxy.through(url),
    config: {
      conductor: {
        lease_ms: 3_000,
        lease_renew_ms: 500,
        service_down_ms: 10_000,
        liveness_ms: 500,
        delete_deadline_ms: 3_000,
        cleanup_retry_max_ms: 1_000,
      },
      compute: { heartbeat_ms: 500 },
      fake: { latency_ms: { spawn: 1_000 } },
      quota: { instances: 50, cores: 50 },
    },
  });
  client = cloud.client();
  imageRef = await cloud.imageId();
});

afterEach(async () => {
  await startBroker();
  proxy.mend();
});

afterAll(async () => {
  await cloud?.stop();
  await proxy?.stop();
});

interface Server {
  readonly id: string;
  readonly name: string;
  readonly status: string;
  readonly 'OS-EXT-SRV-ATTR:host': string;
}

const serverNamed = (name: string, count = 1) => ({
  server: { name, flavorRef: '1', imageRef, networks: 'none', ...(count > 1 && { min_count: count }) },
});
const create = async (name: string, count = 1) =>
  (await client.expect<{ server: Server }>('POST', '/servers', { body: serverNamed(name, count) })).server.id;
const show = async (id: string) => (await client.expect<{ server: Server }>('GET', `/servers/${id}`)).server;
const list = async (query = '') => (await client.expect<{ servers: readonly Server[] }>('GET', `/servers/detail${query}`)).servers;

const becomesActive = (id: string, timeoutMs = 60_000) =>
  eventually(
    () => show(id),
    ({ status }) => status === 'ACTIVE',
    { timeoutMs, everyMs: 100, what: `ACTIVE of ${id}` },
  );
/** Also from users who ask again and again, as clients do. */
const worksAgain = (name: string) =>
  eventually(() => create(name), undefined, { timeoutMs: 30_000, everyMs: 200, what: 'an accepted create' });

async function checksOf(
  member: Member,
): Promise<{ readonly status: number; readonly checks: Readonly<Record<string, { ok: boolean; reason?: string }>> }> {
  const url = (await member.process.ready()).at(-1) ?? '';
  const response = await fetch(url, { signal: AbortSignal.timeout(10_000) });
  return { status: response.status, ...((await response.json()) as { checks: Record<string, { ok: boolean; reason?: string }> }) };
}
const unhealthy = (member: Member, check: string) =>
  eventually(
    () => checksOf(member),
    ({ status, checks }) => status === 503 && checks[check]?.ok === false,
    { timeoutMs: 15_000, what: `failed check ${check}` },
  );
const healthy = (member: Member) =>
  eventually(
    () => checksOf(member),
    ({ status }) => status === 200,
    { timeoutMs: 30_000, what: 'good health' },
  );

/** Every kind of request gets the same 503 within the bound, also those for which a conductor opens a new connection. */
async function refusedForNow(boundMs = 15_000): Promise<void> {
  const began = performance.now();
  const answers = await Promise.all([
    client.request('POST', '/servers', { body: serverNamed('refused') }),
    ...Array.from({ length: 20 }, () => client.request('GET', '/servers')),
    client.request('DELETE', '/servers/00000000-0000-4000-8000-000000000000'),
  ]);
  expect(performance.now() - began).toBeLessThan(boundMs);
  expect(new Set(answers.map(({ status, headers }) => `${status} ${headers.has('retry-after') ? 'Retry-After' : ''}`))).toEqual(
    new Set(['503 Retry-After']),
  );
}

test('the broker is gone and returns: 503 meanwhile, and the server that was being built becomes ACTIVE', async () => {
  const [api] = cloud.of('api');
  const inFlight = await create('before-the-broker-went');
  await killBroker();
  await refusedForNow();
  await unhealthy(api!, 'api.broker');
  await startBroker();
  await becomesActive(inFlight);
  await becomesActive(await worksAgain('after-the-broker'));
  await Promise.all(cloud.members.map(healthy));
  expect((await list('?name=refused')).length).toBe(0);
});

test.each(['cut', 'hold'] as const)(
  'the database is gone (%s) and returns: 503 meanwhile, and the server that was being built becomes ACTIVE',
  async (how) => {
    const [conductor] = cloud.of('conductor');
    const inFlight = await create(`before-${how}`);
    proxy.fail(how);
    await refusedForNow();
    await unhealthy(conductor!, 'conductor.database');
    proxy.mend();
    expect(await becomesActive(inFlight)).toMatchObject({ name: `before-${how}` });
    await becomesActive(await worksAgain(`after-${how}`));
    await Promise.all(cloud.members.map(healthy));
  },
);

test('a conductor that is told to stop hands its tasks to the other one', async () => {
  const [leaving] = cloud.of('conductor');
  await Promise.all([1, 2, 3, 4].map((number) => create(`handed-${number}`, 2)));
  expect(await leaving!.process.stop(15_000)).toEqual({ code: 0, signal: null });
  const made = await eventually(
    () => list('?name=handed'),
    (servers) => servers.every(({ status }) => status === 'ACTIVE'),
    {
      timeoutMs: 60_000,
      what: 'eight ACTIVE servers',
    },
  );
  expect(made).toHaveLength(8);
  await cloud.revive(leaving!);
});

test('a server whose host is away is gone at the deadline, and its domain when the host returns', async () => {
  const { id, ...server } = await becomesActive(await create('on-a-host-that-leaves'));
  const host = server['OS-EXT-SRV-ATTR:host'];
  const agent = cloud.of('compute').find(({ name }) => name === host)!;
  await cloud.kill(agent);
  await client.expect('DELETE', `/servers/${id}`);
  await eventually(
    () => client.request('GET', `/servers/${id}`),
    ({ status }) => status === 404,
    { timeoutMs: 15_000, everyMs: 100, what: '404' },
  );
  expect([...domainsOf(cloud, host).keys()]).toContain(id);
  await cloud.revive(agent);
  await eventually(
    () => domainsOf(cloud, host).has(id),
    (there) => !there,
    { timeoutMs: 30_000, what: 'the removal of the domain' },
  );
  const left = () =>
    cloud.database.query('select host from allocations where instance_uuid = $1 union all select host from cleanups', [id]);
  await eventually(left, (rows) => rows.length === 0, { timeoutMs: 10_000, what: 'the end of the allocation' });
});
