/** Every case once, small, on a real cloud of processes: it works, and a server costs no more than it may. Times are not asserted. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { brokerUrl } from '../../../tests/support/broker.ts';
import { startCloud, type Cloud } from '../../../tests/support/cloud.ts';
import { KilonovaProcess } from '../../../tests/support/process.ts';
import { openWire, type Wire } from './agents/wire.ts';
import type { CaseResult } from './report/verdicts.ts';

let wire: Wire;
let cloud: Cloud;
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

/** `kilonova bench ARGS`, as a person at a terminal with an openrc. */
async function bench(...args: readonly string[]): Promise<ReadonlyMap<string, CaseResult>> {
  const json = join(cloud.dir, 'bench.json');
  const env = {
    ...{ OS_AUTH_URL: cloud.admin.authUrl, OS_USERNAME: cloud.admin.username, OS_PASSWORD: cloud.admin.password },
    ...{
      OS_PROJECT_NAME: cloud.admin.project,
      OS_USER_DOMAIN_NAME: 'Default',
      OS_PROJECT_DOMAIN_NAME: 'Default',
      OS_REGION_NAME: 'RegionOne',
    },
  };
  await KilonovaProcess.run(['bench', ...args, '--small', '--json', json, '--config', join(cloud.dir, 'kilonova.yaml')], {
    env,
    cwd: cloud.dir,
  });
  const { cases } = JSON.parse(readFileSync(json, 'utf8')) as { cases: readonly CaseResult[] };
  return new Map(cases.map((result) => [result.name, result]));
}

const SERVERS = 40;
const metrics = () => metricsUrls.flatMap((url) => ['--metrics', url]);

test('a server costs a bounded number of statements, messages and bytes from its request until it is gone', async () => {
  const bytesBefore = wire.bytes;
  const { figures } = (await bench('boot', '--servers', String(SERVERS), ...metrics())).get('boot')!;
  expect(figures).toMatchObject({ servers: SERVERS, errors: 0 });
  // Above what each server costs when none shares a transaction with another: how many do is a matter of time.
  expect(figures['statements_per_lifecycle']).toBeLessThan(60);
  // createServers, selectDestinations, spawn, its report, deleteServer, remove, its report, and news of hosts for schedulers.
  expect(figures['messages_per_lifecycle']).toBeLessThan(12);
  expect((wire.bytes - bytesBefore) / SERVERS).toBeLessThan(40_000);
});

test('servers of one request share most of what they cost', async () => {
  const { figures } = (await bench('multiboot', '--servers', String(SERVERS), ...metrics())).get('multiboot')!;
  expect(figures).toMatchObject({ servers: SERVERS, errors: 0 });
  expect(figures['statements_per_lifecycle']).toBeLessThan(30);
  expect(figures['messages_per_lifecycle']).toBeLessThan(8);
});

test('every other case runs without errors, and leaves nothing behind', async () => {
  const results = await bench('single', 'api', 'agents', 'scheduler', 'scheduler-large', 'scheduler-anti-affinity', 'scheduler-varied');
  for (const [name, { figures, targets }] of results) {
    expect(figures['errors'], name).toBe(0);
    expect(targets, name).toEqual([]);
  }
  expect(results.get('single')!.figures).toMatchObject({ servers: 3 });
  expect(results.get('api')!.figures['show_c4_per_s']).toBeGreaterThan(0);
  expect(results.get('agents')!.figures).toMatchObject({ agents: 5 });
  for (const name of ['scheduler', 'scheduler-anti-affinity', 'scheduler-varied'])
    expect(results.get(name)!.figures, name).toMatchObject({ hosts: 100, not_placed: 0 });
  const client = cloud.client();
  expect(await client.expect('GET', '/servers')).toMatchObject({ servers: [] });
  const { services } = await client.expect<{ services: readonly { host: string }[] }>('GET', '/os-services?binary=nova-compute');
  expect(services.map(({ host }) => host)).toEqual(cloud.hosts);
});

test('a case that wants a cloud says which variables are missing', async () => {
  await expect(KilonovaProcess.run(['bench', 'boot', '--small'], { env: { OS_AUTH_URL: '' } })).rejects.toThrow(
    /the environment lacks OS_AUTH_URL, OS_USERNAME, OS_PASSWORD, OS_PROJECT_NAME/,
  );
});
