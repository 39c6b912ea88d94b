import { Counter } from 'prom-client';
import { afterEach, expect, test } from 'vitest';
import { createMetrics, renderMetrics } from './metrics.ts';
import { startProbes, type ProbeOptions, type Probes } from './probes.ts';
import { healthOf } from './service.ts';

let running: Probes | undefined;
afterEach(() => running?.stop());

const probe = async (changes: Partial<ProbeOptions>) => {
  running = await startProbes({
    host: '127.0.0.1',
    port: 0,
    health: () => healthOf({}),
    metrics: () => renderMetrics([createMetrics('api')]),
    ...changes,
  });
  return running.url;
};

test('a process whose checks are all well answers 200', async () => {
  const url = await probe({ health: () => healthOf({ broker: { ok: true } }) });
  const answer = await fetch(`${url}/healthz`);
  expect(answer.status).toBe(200);
  expect(await answer.json()).toEqual({ ok: true, checks: { broker: { ok: true } } });
});

test('one failed check makes it 503 and says why', async () => {
  const url = await probe({ health: () => healthOf({ broker: { ok: true }, database: { ok: false, reason: 'connection refused' } }) });
  const answer = await fetch(`${url}/healthz`);
  expect(answer.status).toBe(503);
  expect(await answer.json()).toMatchObject({ ok: false, checks: { database: { ok: false, reason: 'connection refused' } } });
});

test('a check that hangs counts as failed within its limit', async () => {
  const url = await probe({ health: () => new Promise(() => undefined), healthTimeoutMs: 50 });
  const answer = await fetch(`${url}/healthz`);
  expect(answer.status).toBe(503);
  expect(await answer.json()).toMatchObject({ checks: { probe: { reason: 'no answer within 50 ms' } } });
});

test('a check that throws counts as failed with its message', async () => {
  const url = await probe({ health: () => Promise.reject(new Error('the pool is closed')) });
  expect(await (await fetch(`${url}/healthz`)).json()).toMatchObject({ ok: false, checks: { probe: { reason: 'the pool is closed' } } });
});

test('metrics of several agents are described once and labelled apart', async () => {
  const registries = ['host-1', 'host-2'].map((host, index) => {
    const metrics = createMetrics('compute', { labels: { host }, ofProcess: false });
    new Counter({ name: 'spawns_total', help: 'Spawns.', registers: [metrics] }).inc(index + 1);
    return metrics;
  });
  const url = await probe({ metrics: () => renderMetrics(registries) });
  const text = await (await fetch(`${url}/metrics`)).text();
  expect(text.match(/# TYPE spawns_total counter/g)).toHaveLength(1);
  expect(text).toContain('spawns_total{service="compute",host="host-1"} 1');
  expect(text).toContain('spawns_total{service="compute",host="host-2"} 2');
});

test('process metrics are there', async () => {
  const text = await (await fetch(`${await probe({})}/metrics`)).text();
  expect(text).toContain('process_resident_memory_bytes{service="api"}');
});

test('other paths and methods are refused', async () => {
  const url = await probe({});
  expect((await fetch(`${url}/other`)).status).toBe(404);
  expect((await fetch(`${url}/healthz`, { method: 'POST' })).status).toBe(405);
});

test('a taken port is an error that names it', async () => {
  const port = Number(new URL(await probe({})).port);
  await expect(startProbes({ host: '127.0.0.1', port, health: () => healthOf({}), metrics: async () => '' })).rejects.toThrow(
    `127.0.0.1:${port} is taken`,
  );
});
