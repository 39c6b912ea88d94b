/** Every case once, small, on a real cloud of processes: it works, and a server costs no more than it may. Times are not asserted. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '@kilonova/runtime';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { brokerUrl } from '../../../tests/support/broker.ts';
import { startCloud, type Cloud as TestCloud } from '../../../tests/support/cloud.ts';
import { eventually } from '../../../tests/support/eventually.ts';
import { KilonovaProcess } from '../../../tests/support/process.ts';
import { openWire, type Wire } from './agents/wire.ts';
import { Cloud } from './cloud/cloud.ts';
import { loginFrom } from './cloud/login.ts';
import { measureRest, readCounts } from './measure/counters.ts';
import type { CaseResult } from './report/verdicts.ts';

let wire: Wire;
let cloud: TestCloud;
let metricsUrls: readonly string[];

beforeAll(async () => {
  wire = await openWire(brokerUrl());
  cloud = await startCloud({
    hosts: 1,
    config: { broker: { urls: [wire.through(brokerUrl())] }, probes: { port: 0 }, quota: { instances: -1, cores: -1, ram: -1 } },
  });
  const addresses = await Promise.all(cloud.members.map(({ process }) => process.ready()));
  metricsUrls = addresses.flat().flatMap((address) => (address.endsWith('/healthz') ? [address.replace(/healthz$/, 'metrics')] : []));
});

afterAll(async () => {
  await cloud?.stop();
  await wire?.stop();
});

/** What an openrc sets. */
const openrc = () => ({
  ...{ OS_AUTH_URL: cloud.admin.authUrl, OS_USERNAME: cloud.admin.username, OS_PASSWORD: cloud.admin.password },
  ...{
    OS_PROJECT_NAME: cloud.admin.project,
    OS_USER_DOMAIN_NAME: 'Default',
    OS_PROJECT_DOMAIN_NAME: 'Default',
    OS_REGION_NAME: 'RegionOne',
  },
});
const projectId = async () => (await Cloud.open(loginFrom(openrc()))).projectId;
const configured = () => ['--config', join(cloud.dir, 'kilonova.yaml')];

/** `kilonova bench ARGS`, as a person at a terminal. */
async function bench(...args: readonly string[]): Promise<ReadonlyMap<string, CaseResult>> {
  const json = join(cloud.dir, 'bench.json');
  await KilonovaProcess.run(['bench', ...args, '--small', '--json', json, ...configured()], {
    env: openrc(),
    cwd: cloud.dir,
    timeoutMs: TIMEOUT_MS,
  });
  const { cases } = JSON.parse(readFileSync(json, 'utf8')) as { cases: readonly CaseResult[] };
  return new Map(cases.map((result) => [result.name, result]));
}

const SERVERS = 40;
/** All but those that are looked at alone. */
const CASES = [
  'single',
  'first',
  'machine',
  'idle',
  'api',
  'agents',
  'scheduler',
  'scheduler-large',
  'scheduler-anti-affinity',
  'scheduler-varied',
];
/** Each of these starts programs, which takes long on a busy machine. */
const TIMEOUT_MS = 120_000;

test(
  'a server costs a bounded number of statements, messages and bytes from its request until it is gone',
  { timeout: TIMEOUT_MS },
  async () => {
    const bytesBefore = wire.bytes;
    const results = await bench('boot', 'multiboot', '--servers', String(SERVERS), ...metricsUrls.flatMap((url) => ['--metrics', url]));
    const [single, shared] = ['boot', 'multiboot'].map((name) => results.get(name)!.figures);
    expect(single).toMatchObject({ servers: SERVERS, errors: 0 });
    expect(shared).toMatchObject({ servers: SERVERS, errors: 0 });
    // Above what each server costs when none shares a transaction with another: how many do is a matter of time.
    expect(single!['statements_per_lifecycle']).toBeLessThan(60);
    // createServers, selectDestinations, spawn, its report, deleteServer, remove, its report, and news of hosts for schedulers.
    expect(single!['messages_per_lifecycle']).toBeLessThan(12);
    // Those of one request share what the request costs.
    expect(shared!['statements_per_lifecycle']).toBeLessThan(30);
    expect(shared!['messages_per_lifecycle']).toBeLessThan(8);
    expect((wire.bytes - bytesBefore) / (2 * SERVERS)).toBeLessThan(40_000);
  },
);

test('every other case runs without errors, and leaves nothing behind', { timeout: TIMEOUT_MS }, async () => {
  const results = await bench(...CASES, '--watch', `conductor=${cloud.of('conductor')[0]!.process.pid}`);
  for (const [name, { figures, targets }] of results) {
    expect(figures['errors'], name).toBe(0);
    expect(targets, name).toEqual([]);
  }
  expect(results.get('single')!.figures).toMatchObject({ servers: 3 });
  expect(results.get('api')!.figures['show_c4_per_s']).toBeGreaterThan(0);
  expect(results.get('agents')!.figures).toMatchObject({ agents: 5 });
  expect(results.get('idle')!.figures['memory_mb_conductor']).toBeGreaterThan(0);
  for (const name of ['scheduler', 'scheduler-anti-affinity', 'scheduler-varied'])
    expect(results.get(name)!.figures, name).toMatchObject({ hosts: 100, not_placed: 0 });
  const client = cloud.client();
  expect(await client.expect('GET', '/servers')).toMatchObject({ servers: [] });
  const { services } = await client.expect<{ services: readonly { host: string }[] }>('GET', '/os-services?binary=nova-compute');
  expect(services.map(({ host }) => host)).toEqual(cloud.hosts);
});

test(
  'a seeded cloud is read and added to at the same time, and is empty again when the seed is removed',
  { timeout: TIMEOUT_MS },
  async () => {
    await KilonovaProcess.run(['db', 'seed', '--servers', '30', '--project', await projectId(), ...configured()]);
    for (const [name, { figures }] of await bench('large', 'large-steady')) {
      expect(figures, name).toMatchObject({ errors: 0 });
      for (const figure of ['list_p99_ms', 'detail_p99_ms', 'show_p99_ms', 'create_p99_ms'])
        expect(figures[figure], `${figure} of ${name}`).toBeGreaterThan(0);
    }
    await readingsAreCheap(30);
    expect(await KilonovaProcess.run(['db', 'seed', '--remove', ...configured()])).toBe('30 seeded servers removed\n');
    expect(await cloud.client().expect('GET', '/servers')).toMatchObject({ servers: [] });
  },
);

const READINGS = 20;

/** Of `servers` that are there: one call and one statement for each reading, and bounded bytes for each server in a list. */
async function readingsAreCheap(servers: number): Promise<void> {
  const client = cloud.client();
  const list = () => client.expect<{ servers: readonly { id: string }[] }>('GET', '/servers/detail');
  const { servers: there } = await list();
  expect(there).toHaveLength(servers);
  const show = (turn: number) => client.expect('GET', `/servers/${there[turn % servers]!.id}`);
  const rest = await measureRest(metricsUrls, systemClock, list);
  expect(rest.statementsPerList).toBeLessThan(3);
  const [statements, calls, bytes, began] = [
    (await readCounts(metricsUrls)).statements,
    await callsOf('getServer'),
    wire.bytes,
    systemClock.monotonic(),
  ];
  for (let turn = 0; turn < READINGS; turn += 1) await show(turn);
  const ofShows =
    (await readCounts(metricsUrls)).statements - statements - (rest.statementsPerS * (systemClock.monotonic() - began)) / 1_000;
  expect(ofShows / READINGS).toBeLessThan(2);
  expect((await callsOf('getServer')) - calls).toBe(READINGS);
  expect((wire.bytes - bytes) / READINGS).toBeLessThan(12_000);
  const before = wire.bytes;
  for (let turn = 0; turn < READINGS; turn += 1) await list();
  // Each server goes over two connections.
  expect((wire.bytes - before) / READINGS / servers).toBeLessThan(2_000);
}

/** How often the api has called the method. */
async function callsOf(method: string): Promise<number> {
  const texts = await Promise.all(metricsUrls.map(async (url) => (await fetch(url)).text()));
  const lines = texts
    .flatMap((text) => text.split('\n'))
    .filter((line) => line.startsWith('kilonova_rpc_calls_total') && line.includes(`method="${method}"`));
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
}

test('a run that is ended early takes back what it made', { timeout: TIMEOUT_MS }, async () => {
  const running = KilonovaProcess.spawn(['bench', 'boot', '--servers', '2000', '--concurrency', '2', '--lift-quota'], { env: openrc() });
  const client = cloud.client();
  const names = async () =>
    (await client.expect<{ servers: readonly { name: string }[] }>('GET', '/servers')).servers.map(({ name }) => name);
  await eventually(names, (found) => found.length >= 3 && found.every((name) => name.startsWith('bench-')), {
    timeoutMs: 30_000,
    what: 'some servers',
  });
  expect(await running.stop()).toEqual({ code: 130, signal: null });
  expect(await names()).toEqual([]);
  expect(await client.expect('GET', `/os-quota-sets/${await projectId()}`)).toMatchObject({ quota_set: { instances: -1 } });
});
