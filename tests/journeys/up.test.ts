/**
 * `kilonova up`, as somebody at a terminal meets it: the stock clients with the written clouds.yaml, a second start, a
 * taken port, a crash, Ctrl-C. The steps build on each other, as in a session.
 */
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { KilonovaProcess } from '../support/process.ts';
import { areFree } from '../support/services/free-port.ts';
import { runTool } from '../support/services/run-tool.ts';

const folder = mkdtempSync(join(tmpdir(), 'kilonova-up-'));
chmodSync(folder, 0o711); // as root, PostgreSQL has another account, and would else have its data outside
const state = join(folder, 'state');
const clouds = join(state, 'clouds.yaml');
const started: KilonovaProcess[] = [];
let offset = 0;

beforeAll(async () => {
  for (offset = 15_500; !(await areFree([5_000, 8_774, 8_775, 9_292].map((port) => port + offset))); offset += 7);
});

afterAll(async () => {
  for (const one of started) await one.stop().catch(() => undefined);
  rmSync(folder, { recursive: true, force: true });
});

const spawnUp = (...args: readonly string[]) => {
  const up = KilonovaProcess.spawn(['up', '--port-offset', String(offset), ...args], { cwd: folder });
  started.push(up);
  return up;
};

/** As the issue wants it: within thirty seconds. */
const startUp = async (...args: readonly string[]) => {
  const up = spawnUp(...args);
  await up.ready(30_000);
  return up;
};

/** Ctrl-C, measured until nothing of the process is left. */
const ctrlC = async (up: KilonovaProcess) => {
  const began = performance.now();
  process.kill(up.pid, 'SIGINT');
  expect(await up.ended).toEqual({ code: 0, signal: null });
  expect(performance.now() - began).toBeLessThan(5_000);
  expect(up.output()).not.toContain('Warning');
};

const openstack = (cloud: string, ...args: readonly string[]) =>
  runTool('openstack', ['--os-cloud', cloud, ...args], {
    env: { PATH: process.env['PATH'], HOME: folder, LC_ALL: 'C.UTF-8', OS_CLIENT_CONFIG_FILE: clouds },
    timeoutMs: 60_000,
  });

const list = async <Row>(cloud: string, ...args: readonly string[]) =>
  JSON.parse(await openstack(cloud, ...args, '-f', 'json')) as readonly Row[];

/** Processes of a PostgreSQL that works in the state: each of them stands in its data folder. */
const postgresOf = (dir: string): readonly number[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && workingFolder(name).startsWith(dir))
    .map(Number)
    .filter((pid) => readFileSync(`/proc/${pid}/comm`, 'utf8').startsWith('postgres'));

const workingFolder = (pid: string): string => {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return ''; // has just ended, or is somebody else's
  }
};

let up: KilonovaProcess;

test('the first start brings a cloud in which both written clients boot a server', async () => {
  up = await startUp('--state', state, '--hosts', '3', '--zones', 'a,b');
  for (const file of [clouds, join(state, 'openrc')]) expect(statSync(file).mode & 0o777, file).toBe(0o600);
  expect(up.output()).toContain(`http://127.0.0.1:${8_774 + offset}/v2.1`);

  for (const cloud of ['kilonova', 'demo'])
    await openstack(cloud, 'server', 'create', '--flavor', 'm1.tiny', '--image', 'cirros', '--wait', `of-${cloud}`);
  expect(await list('demo', 'server', 'list')).toMatchObject([{ Name: 'of-demo', Status: 'ACTIVE', Flavor: 'm1.tiny' }]);

  const zones = await list<{ 'Zone Name': string }>('kilonova', 'availability', 'zone', 'list', '--compute');
  expect(new Set(zones.map((zone) => zone['Zone Name']))).toEqual(new Set(['a', 'b', 'internal']));
  const hypervisors = await list<{ 'Hypervisor Hostname': string }>('kilonova', 'hypervisor', 'list');
  expect(hypervisors.map((row) => row['Hypervisor Hostname']).toSorted()).toEqual(['host-1', 'host-2', 'host-3']);
});

test('a second start on the same state is refused with the first one named, and harms nothing', async () => {
  const second = spawnUp('--state', state);
  expect(await second.ended).toEqual({ code: 1, signal: null });
  expect(second.output()).toContain(`another "kilonova up" (process ${up.pid}) runs on ${state}`);
  expect(await list('demo', 'server', 'list')).toHaveLength(1);
});

test('after kill -9 the next start takes over, and the server is still ACTIVE', async () => {
  const orphans = postgresOf(state);
  expect(orphans.length).toBeGreaterThan(0);
  await up.kill();
  up = await startUp('--state', state, '--hosts', '3', '--zones', 'a,b');
  expect(await list('demo', 'server', 'list')).toMatchObject([{ Name: 'of-demo', Status: 'ACTIVE' }]);
  // The host knows its domain too.
  await openstack('demo', 'server', 'reboot', '--wait', 'of-demo');
});

test('Ctrl-C ends everything within five seconds and leaves no process behind', async () => {
  await ctrlC(up);
  await eventually(
    () => postgresOf(state),
    (left) => left.length === 0,
    { timeoutMs: 1_000 },
  );
  expect(existsSync(join(state, 'lock'))).toBe(false);
  expect(await areFree([5_000, 8_774, 8_775, 9_292].map((port) => port + offset))).toBe(true);
});

test('a taken port is refused with its option, and nothing is left behind', async () => {
  const port = 9_292 + offset;
  const other = await new Promise<Server>((settle) => {
    const server = createServer().listen(port, '127.0.0.1', () => settle(server));
  });
  try {
    const refused = spawnUp('--state', join(folder, 'refused'));
    expect(await refused.ended).toEqual({ code: 1, signal: null });
    expect(refused.output()).toContain(
      `port ${port} of 127.0.0.1, which the image service wants, is taken by another program: choose another with --image-port`,
    );
    expect(existsSync(join(folder, 'refused'))).toBe(false);
  } finally {
    other.close();
  }
});

test('an ephemeral cloud leaves nothing, also on a port that browsers bar', async () => {
  const dir = join(folder, 'ephemeral');
  // fetch refuses port 6000, to which --port-offset 1000 moves the identity service.
  const barred = (await areFree([10_080])) ? ['--identity-port', '10080'] : [];
  const short = await startUp('--ephemeral', '--state', dir, '--hosts', '1', ...barred);
  expect(postgresOf(dir).length).toBeGreaterThan(0);
  await ctrlC(short);
  expect(existsSync(dir)).toBe(false);
  expect(postgresOf(dir)).toEqual([]);
});
