/**
 * One api and one conductor, each of two worker processes: they share an address and their work, whatever becomes of one of
 * them the others answer, and nothing of them is left when their parent ends.
 */
import { identityOf, isAlive } from '@kilonova/runtime';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startCloud, type Cloud, type Member } from '../support/cloud.ts';
import type { ComputeClient } from '../support/compute-client.ts';
import { eventually } from '../support/eventually.ts';
import { KilonovaProcess } from '../support/process.ts';
import { workersOf } from '../support/workers.ts';

let cloud: Cloud;
let client: ComputeClient;
let imageRef: string;
let api: Member;
let conductor: Member;

beforeAll(async () => {
  cloud = await startCloud({
    hosts: 2,
    config: {
      api: { workers: 2 },
      conductor: { workers: 2, lease_ms: 3_000, lease_renew_ms: 500 },
      process: { worker_sign_ms: 200, worker_silent_ms: 2_000 },
      probes: { health_timeout_ms: 1_000 },
      quota: { instances: 100, cores: 100 },
      fake: { latency_ms: { spawn: 300 } },
    },
  });
  client = cloud.client();
  imageRef = await cloud.imageId();
  api = cloud.of('api')[0]!;
  conductor = cloud.of('conductor')[0]!;
});

afterAll(() => cloud?.stop());

interface Probe {
  readonly status: number;
  readonly checks: Readonly<Record<string, { readonly ok: boolean; readonly reason?: string }>>;
}

const probesOf = async (member: Member) => ((await member.process.ready()).at(-1) ?? '').replace(/\/healthz$/, '');

async function healthOf(member: Member): Promise<Probe> {
  const answer = await fetch(`${await probesOf(member)}/healthz`, { signal: AbortSignal.timeout(10_000) });
  return { status: answer.status, ...((await answer.json()) as Pick<Probe, 'checks'>) };
}

/** The values of one metric, by worker. */
async function metricOf(member: Member, name: string): Promise<Readonly<Record<string, number>>> {
  const text = await (await fetch(`${await probesOf(member)}/metrics`, { signal: AbortSignal.timeout(10_000) })).text();
  const sums: Record<string, number> = {};
  for (const [, labels = '', value] of text.matchAll(new RegExp(`^${name}(?:\\{(.*)\\})? (\\S+)$`, 'gm'))) {
    const worker = /\bworker="([^"]*)"/.exec(labels)?.[1] ?? '';
    sums[worker] = (sums[worker] ?? 0) + Number(value);
  }
  return sums;
}

const bothBack = (member: Member, but: number) =>
  eventually(
    async () => ({ pids: workersOf(member), ...(await healthOf(member)) }),
    ({ pids, checks }) => pids.length === 2 && !pids.includes(but) && Object.values(checks).every(({ ok }) => ok),
    { timeoutMs: 30_000, everyMs: 50, what: 'two well workers' },
  );

const create = async (name: string) =>
  (
    await client.expect<{ server: { id: string } }>('POST', '/servers', {
      body: { server: { name, flavorRef: '1', imageRef, networks: 'none' } },
    })
  ).server.id;

const allActive = (ids: readonly string[]) =>
  eventually(
    async () => (await client.expect<{ servers: readonly { id: string; status: string }[] }>('GET', '/servers/detail')).servers,
    (servers) => ids.every((id) => servers.some((server) => server.id === id && server.status === 'ACTIVE')),
    { timeoutMs: 60_000, everyMs: 100, what: `${ids.length} ACTIVE servers` },
  );

test('both workers of an api answer at its one address, and the parent shows what each of them did', async () => {
  const answered = () => metricOf(api, 'kilonova_api_request_seconds_count');
  const before = await answered();
  let asked = 0;
  // A connection belongs to one worker for as long as it lives, and whichever has time takes it.
  const done = await eventually(
    async () => {
      await Promise.all(Array.from({ length: 20 }, () => client.expect('GET', '/servers', { headers: { connection: 'close' } })));
      asked += 20;
      const after = await answered();
      return ['1', '2'].map((worker) => (after[worker] ?? 0) - (before[worker] ?? 0));
    },
    (counts) => counts.every((count) => count > 0),
    { timeoutMs: 30_000, everyMs: 1, what: 'answers of both workers' },
  );
  expect(done[0]! + done[1]!).toBe(asked);
  expect(await healthOf(api)).toMatchObject({
    status: 200,
    checks: { 'worker.1.api.broker': { ok: true }, 'worker.2.api.broker': { ok: true } },
  });
});

test('a worker of the api that is killed leaves the other at work, and another one takes its place', async () => {
  const [victim] = workersOf(api);
  process.kill(victim!, 'SIGKILL');
  // Who had a connection to it may lose an answer; who asks anew does not.
  for (let index = 0; index < 20; index += 1)
    expect(await client.request('GET', '/servers', { headers: { connection: 'close' } })).toMatchObject({ status: 200 });
  await bothBack(api, victim!);
  expect(await metricOf(api, 'kilonova_worker_ends_total')).toEqual({ '': 1 });
});

test('a worker of the conductor that is killed loses no server', async () => {
  const ids: string[] = [];
  const creating = Promise.all(
    Array.from({ length: 4 }, async (_, lane) => {
      for (let index = 0; index < 5; index += 1) ids.push(await create(`killed-${lane}-${index}`));
    }),
  );
  await eventually(
    () => ids.length,
    (count) => count >= 4,
    { timeoutMs: 30_000, everyMs: 5, what: 'four accepted creates' },
  );
  const [victim] = workersOf(conductor);
  process.kill(victim!, 'SIGKILL');
  await creating;
  await allActive(ids);
  expect(await client.expect('GET', '/servers')).toMatchObject({ servers: { length: 20 } });
  await bothBack(conductor, victim!);
});

test('a worker that stands still is ended, and another one takes its place', async () => {
  const [victim] = workersOf(api);
  process.kill(victim!, 'SIGSTOP');
  await eventually(
    () => healthOf(api),
    ({ status, checks }) => status === 200 && Object.values(checks).some(({ ok }) => !ok),
    { timeoutMs: 10_000, what: 'a failed check of one worker in good health of all' },
  );
  await bothBack(api, victim!);
  expect(await client.request('GET', '/servers')).toMatchObject({ status: 200 });
});

test('what hinders workers at the start ends their parent, which says why', async () => {
  const port = new URL(cloud.computeUrls[0]!).port;
  const second = KilonovaProcess.spawn(['api', '--config', cloud.file, '--set', `api.port=${port}`], { cwd: cloud.dir });
  expect(await second.ended).toEqual({ code: 1, signal: null });
  expect(second.output()).toContain(`the Compute API cannot listen on 127.0.0.1:${port}: another program listens there`);
  expect(second.output()).toMatch(/kilonova api: worker [12] ended with code 1 before it was ready/);
});

test('workers end with their parent, also when it is killed', async () => {
  const workers = workersOf(api).map((pid) => identityOf(pid)!);
  await cloud.kill(api);
  await eventually(
    () => workers.filter(isAlive),
    (alive) => alive.length === 0,
    { timeoutMs: 10_000, everyMs: 20, what: 'no worker without a parent' },
  );
  await cloud.revive(api);
  const more = [...workersOf(api), ...workersOf(conductor)].map((pid) => identityOf(pid)!);
  expect(more).toHaveLength(4);
  for (const member of [api, conductor]) {
    expect(await member.process.stop()).toEqual({ code: 0, signal: null });
    await cloud.revive(member);
  }
  expect(more.filter(isAlive)).toEqual([]);
  await client.expect('GET', '/servers');
});
