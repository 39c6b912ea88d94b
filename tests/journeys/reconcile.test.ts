/**
 * Agents that lose the control plane leave guests alone, and on its return nothing is destroyed that was not released: not
 * by a host under another name, not by a copy of an agent, not by a database that was restored from a backup.
 */
import { cpSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startCloud, type Cloud, type Member } from '../support/cloud.ts';
import { serviceAddress } from '../support/environment.ts';
import { eventually } from '../support/eventually.ts';
import { KilonovaProcess } from '../support/process.ts';

let cloud: Cloud;
let imageRef: string;
const others: KilonovaProcess[] = [];

beforeAll(async () => {
  const conductor = { resend_min_ms: 500, sync_power_states: false };
  cloud = await startCloud({
    hosts: 2,
    config: { compute: { domain_report_ms: 300, domain_refresh_rounds: 1, domain_return_ms: 0, retry_cap_ms: 500 }, conductor },
  });
  imageRef = await cloud.imageId();
});

afterAll(async () => {
  await Promise.all(others.map((process) => process.kill()));
  await cloud?.stop();
});

interface Server {
  readonly id: string;
  readonly status: string;
  readonly 'OS-EXT-SRV-ATTR:host': string | null;
}
const show = async (id: string) => (await cloud.client().expect<{ server: Server }>('GET', `/servers/${id}`)).server;
const until = (id: string, status: string) =>
  eventually(
    () => show(id),
    (server) => server.status === status,
    { timeoutMs: 30_000, everyMs: 100, what: `${status} of ${id}` },
  );
const act = (id: string, body: object) => cloud.client().expect('POST', `/servers/${id}/action`, { body });
async function aServer(host: string): Promise<string> {
  const body = { server: { name: 'guest', flavorRef: '1', imageRef, networks: 'none', host } };
  const { server } = await cloud.client().expect<{ server: Server }>('POST', '/servers', { body });
  await until(server.id, 'ACTIVE');
  return server.id;
}

const domainsIn = (folder: string): ReadonlyMap<string, string> => {
  const lines = readFileSync(join(folder, 'fake-domains.jsonl'), 'utf8').split('\n').filter(Boolean);
  const domains = new Map<string, string>();
  for (const { uuid, ...rest } of lines.map((line) => JSON.parse(line) as { uuid: string; power?: number })) {
    if ('power' in rest) domains.set(uuid, JSON.stringify(rest));
    else domains.delete(uuid);
  }
  return domains;
};
const domainsOf = (host: string) => domainsIn(join(cloud.dir, host));
const agentOf = (host: string): Member => cloud.of('compute').find(({ name }) => name === host)!;
const strays = (...hosts: readonly string[]) =>
  cloud.database.query<{ host: string; uuid: string; generation: number; standing: string }>(
    'select host, instance_uuid as uuid, generation, standing from strays where host = any($1) order by 1, 2',
    [hosts],
  );
const rounds = () => cloud.database.query<{ round: string }>(`select domains_round as round from hosts where host = 'host-9'`);
/** What has been said and not been answered, or answered, so often since. */
const saidSince = (member: Member, words: string) => {
  const before = member.process.output().split(words).length;
  return (times: number) =>
    eventually(() => member.process.output().split(words).length - before >= times, undefined, { timeoutMs: 60_000, what: words });
};
/** A copy of what an agent has on its disk, without the lock that says whose it is. */
function copyOf(host: string, to: string, files: (name: string) => boolean = () => true): void {
  mkdirSync(to, { recursive: true });
  cpSync(join(cloud.dir, host), to, { recursive: true, filter: (name) => !name.endsWith('/lock') && (name.endsWith(host) || files(name)) });
}
const computeOf = (host: string, state: string) => {
  const process = KilonovaProcess.spawn(['compute', '--config', join(cloud.dir, 'kilonova.yaml'), '--host', host, '--state', state], {
    cwd: cloud.dir,
  });
  others.push(process);
  return process;
};

/** A command of an operator, and what it printed. */
async function kilonova(...args: readonly string[]): Promise<{ readonly code: number | null; readonly said: string }> {
  const command = KilonovaProcess.spawn([...args, '--config', join(cloud.dir, 'kilonova.yaml')], { cwd: cloud.dir });
  const { code } = await command.ended;
  return { code, said: command.output() };
}

test('without a control plane guests are left alone, and go on being managed when it is back', async () => {
  const id = await aServer('host-1');
  const before = domainsOf('host-1');
  const unanswered = saidSince(agentOf('host-1'), 'domains not reported');
  const conductor = cloud.of('conductor')[0]!;
  await cloud.kill(conductor);
  await unanswered(3);
  expect(domainsOf('host-1')).toEqual(before);
  await cloud.revive(conductor);
  await until(id, 'ACTIVE');
  await act(id, { 'os-stop': null });
  await until(id, 'SHUTOFF');
  await act(id, { 'os-start': null });
  await until(id, 'ACTIVE');
});

test('a host under another name destroys nothing, and shows what it has; its journal is refused', async () => {
  const before = domainsOf('host-1');
  await cloud.kill(agentOf('host-1'));
  const state = join(cloud.dir, 'renamed');
  copyOf('host-1', join(state, 'host-9'));
  const refused = await computeOf('host-9', state).ended;
  expect(refused.code).toBe(1);
  expect(others.at(-1)!.output()).toContain('the journal belongs to host host-1, this agent is for host-9');

  rmSync(join(state, 'host-9', 'journal'));
  const renamed = computeOf('host-9', state);
  await renamed.ready();
  const found = await eventually(
    () => strays('host-9'),
    (rows) => rows.length === before.size,
    {
      timeoutMs: 20_000,
      what: 'the domains of the renamed host',
    },
  );
  expect(found.map(({ host, standing }) => [host, standing])).toEqual([...before].map(() => ['host-9', 'unreleased']));
  const [{ round } = { round: '0' }] = await rounds();
  await eventually(rounds, ([next]) => BigInt(next!.round) > BigInt(round), { what: 'another report of the renamed host' });
  expect(domainsIn(join(state, 'host-9'))).toEqual(before);
  expect(await cloud.database.query('select 1 from cleanups')).toEqual([]);
  await renamed.stop();

  await cloud.revive(agentOf('host-1'));
  expect(domainsOf('host-1')).toEqual(before);
});

test('of two agents of one host the younger gets the orders, the other leaves the guests alone and speaks again when that is gone', async () => {
  const id = await aServer('host-2');
  const before = domainsOf('host-2');
  const state = join(cloud.dir, 'cloned');
  copyOf('host-2', join(state, 'host-2'));
  const original = agentOf('host-2');
  const told = saidSince(cloud.of('conductor')[0]!, 'two agents speak for one host');
  const speaks = saidSince(original, 'registered once more');
  const clone = computeOf('host-2', state);
  await clone.ready();
  await told(1);
  await act(id, { 'os-stop': null });
  await until(id, 'SHUTOFF');
  expect(domainsIn(join(state, 'host-2')).get(id)).not.toBe(before.get(id));
  expect(domainsOf('host-2')).toEqual(before);

  // Answers to the name go to the younger one, so the older one hears of it when that is gone.
  await clone.kill();
  await speaks(1);
  expect(domainsOf('host-2')).toEqual(before);
  const probe = (await original.process.ready()).find((one) => one.endsWith('/healthz'))!;
  await eventually(
    async () => (await fetch(probe, { signal: AbortSignal.timeout(10_000) })).status,
    (status) => status === 200,
    { what: 'the health of the older one' },
  );
  await act(id, { 'os-start': null });
  await until(id, 'ACTIVE');
  expect(domainsOf('host-2').get(id)).toBe(before.get(id));
});

/** Statements beside the database, which nobody may use meanwhile. */
async function beside(...statements: readonly string[]): Promise<void> {
  const client = new Client({ connectionString: serviceAddress('KILONOVA_TEST_PG_URL') });
  await client.connect();
  try {
    for (const statement of statements) await client.query(statement);
  } finally {
    await client.end();
  }
}

test('a database that is restored from a backup destroys nothing that it does not know, and gives out no generation twice', async () => {
  const conductor = cloud.of('conductor')[0]!;
  const moved = await aServer('host-1');
  const backup = `${cloud.database.name}_backup`;
  await cloud.kill(conductor);
  await beside(`create database ${backup} template ${cloud.database.name}`);
  await cloud.revive(conductor);
  try {
    const young = await aServer('host-1');
    await act(moved, { 'os-migrateLive': { host: 'host-2', block_migration: 'auto' } });
    await eventually(
      () => show(moved),
      (server) => server.status === 'ACTIVE' && server['OS-EXT-SRV-ATTR:host'] === 'host-2',
      { timeoutMs: 30_000, what: 'the move' },
    );
    await eventually(
      () => domainsOf('host-1').has(moved),
      (there) => !there,
      { what: 'the end of the move' },
    );
    const before = [domainsOf('host-1'), domainsOf('host-2')];

    await cloud.kill(conductor);
    await beside(`drop database ${cloud.database.name} with (force)`, `create database ${cloud.database.name} template ${backup}`);
    await cloud.revive(conductor);
    const found = await eventually(
      () => strays('host-1', 'host-2'),
      (rows) => rows.length >= 2,
      { timeoutMs: 20_000, what: 'what the backup does not know' },
    );
    expect(found).toEqual([
      { host: 'host-1', uuid: young, generation: 1, standing: 'unknown' },
      { host: 'host-2', uuid: moved, generation: 2, standing: 'newer' },
    ]);
    expect([domainsOf('host-1'), domainsOf('host-2')]).toEqual(before);
    expect(await cloud.database.query('select 1 from cleanups')).toEqual([]);

    // The guest on host-2 is all that there is of it: nothing may be put in its place there.
    await act(moved, { migrate: { host: 'host-2' } });
    const [migration] = await eventually(
      () => cloud.database.query<{ status: string }>('select status from server_migrations where instance_uuid = $1', [moved]),
      (rows) => rows[0]?.status === 'error',
      { timeoutMs: 30_000, what: 'the refusal of the move' },
    );
    expect(migration).toEqual({ status: 'error' });
    expect(domainsOf('host-2')).toEqual(before[1]);

    // An operator gives up the one that the backup does not know, and only that goes.
    expect(await kilonova('strays')).toMatchObject({
      code: 0,
      said: expect.stringContaining(`host-1 ${young} generation 1 running unknown`),
    });
    expect(await kilonova('strays', 'release', '--host', 'host-2', young)).toMatchObject({ code: 1 });
    expect(await kilonova('strays', 'release', '--host', 'host-1', young)).toMatchObject({ code: 0 });
    await eventually(
      () => domainsOf('host-1').has(young),
      (there) => !there,
      { timeoutMs: 20_000, what: 'the removal of what was released' },
    );
    await eventually(
      () => strays('host-1', 'host-2'),
      (rows) => rows.length === 1 && rows[0]!.uuid === moved,
      { timeoutMs: 20_000, what: 'the end of the stray' },
    );
    expect(domainsOf('host-2')).toEqual(before[1]);

    // The other one is where the host shows it, says the operator; from then on it is managed there.
    expect(await kilonova('strays', 'adopt', '--host', 'host-1', moved)).toMatchObject({ code: 1 });
    expect(await kilonova('strays', 'adopt', '--host', 'host-2', moved)).toMatchObject({
      code: 0,
      said: expect.stringContaining(`adopted: host-2 ${moved} generation 2 running`),
    });
    expect(await show(moved)).toMatchObject({ status: 'ACTIVE', 'OS-EXT-SRV-ATTR:host': 'host-2' });
    expect(domainsOf('host-2')).toEqual(before[1]);
    expect(await strays('host-1', 'host-2')).toEqual([]);
    await act(moved, { 'os-stop': null });
    await until(moved, 'SHUTOFF');
    expect(domainsOf('host-2').get(moved)).not.toBe(before[1]!.get(moved));
  } finally {
    await beside(`drop database if exists ${backup} with (force)`);
  }
});
