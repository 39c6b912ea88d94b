import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { identityOf, isAlive } from '@kilonova/runtime';
import { afterAll, expect, test } from 'vitest';
import { parse } from 'yaml';
import { readPidFile } from '../postgres/postmaster.ts';

/** The executable as users start it, from the last build. */
const executable = fileURLToPath(new URL('../../bin/kilonova.js', import.meta.url));
/** Away from the default ports, on which a developer's own cloud may run. */
const OFFSET = 17_300;
const folder = mkdtempSync(join(tmpdir(), 'kilonova-up-'));
chmodSync(folder, 0o711);
const state = join(folder, 'state');
const started: ChildProcess[] = [];
afterAll(() => {
  for (const child of started) if (child.exitCode === null) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

/** In a process group of its own: a terminal's Ctrl-C goes to the whole group. */
const run = (...args: string[]) => {
  const child = spawn(process.execPath, [executable, 'up', '--hosts', '2', '--state', state, ...args], { detached: true });
  started.push(child);
  let output = '';
  child.stdout.on('data', (piece) => (output += piece));
  child.stderr.on('data', (piece) => (output += piece));
  const ended = once(child, 'close').then(([code, signal]: (number | string | null)[]) => signal ?? code);
  return { child, ended, output: () => output, ctrlC: () => process.kill(-(child.pid ?? 0), 'SIGINT') };
};

const runUntilUp = async (...args: string[]) => {
  const running = run('--port-offset', String(OFFSET), ...args);
  const deadline = performance.now() + 30_000;
  while (!running.output().includes('Kilonova is up')) {
    if (performance.now() > deadline || running.child.exitCode !== null) throw new Error(`not up: ${running.output()}`);
    await new Promise((settle) => setTimeout(settle, 50));
  }
  return running;
};

const postgres = () => identityOf(readPidFile(join(state, 'postgres', 'cluster', 'data'))?.pid ?? 0);
const passwords = () => {
  const { clouds } = parse(readFileSync(join(state, 'clouds.yaml'), 'utf8')) as { clouds: Record<string, { auth: { password: string } }> };
  return Object.values(clouds).map(({ auth }) => auth.password);
};

test(
  'a cloud starts, refuses a second one on its state, survives kill -9, and ends with Ctrl-C within five seconds, leaving nothing',
  { timeout: 120_000 },
  async () => {
    const first = await runUntilUp();
    expect(statSync(join(state, 'clouds.yaml')).mode & 0o777).toBe(0o600);
    expect(statSync(join(state, 'openrc')).mode & 0o777).toBe(0o600);
    const made = passwords();
    const health = await fetch(`http://127.0.0.1:${8775 + OFFSET}/healthz`);
    expect(await health.json()).toMatchObject({ ok: true, checks: { 'compute.host-2.broker': { ok: true } } });

    const second = run('--port-offset', String(OFFSET + 10));
    expect(await second.ended).toBe(1);
    expect(second.output()).toContain(`another "kilonova up" (process ${first.child.pid}) runs on ${state}`);

    const orphan = postgres();
    first.child.kill('SIGKILL');
    await first.ended;
    expect(orphan && isAlive(orphan)).toBe(true);

    const next = await runUntilUp('--zones', 'a,b');
    expect(orphan && isAlive(orphan)).toBe(false);
    expect(passwords()).toEqual(made);
    const child = postgres();
    const began = performance.now();
    next.ctrlC();
    expect(await next.ended).toBe(0);
    expect(performance.now() - began).toBeLessThan(5_000);
    expect(child && isAlive(child)).toBe(false);
    expect(existsSync(join(state, 'lock'))).toBe(false);
  },
);

test('a PostgreSQL that ends by itself ends everything, with the reason', { timeout: 60_000 }, async () => {
  const running = await runUntilUp();
  process.kill(postgres()?.pid ?? 0, 'SIGKILL');
  expect(await running.ended).toBe(1);
  expect(running.output()).toContain('PostgreSQL has ended');
});

test('a taken port is refused by name and option, and nothing is left behind', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const { port } = other.address() as { port: number };
  const elsewhere = join(folder, 'elsewhere');
  const child = spawn(process.execPath, [
    executable,
    'up',
    '--state',
    elsewhere,
    '--port-offset',
    String(OFFSET),
    '--compute-port',
    String(port),
  ]);
  started.push(child);
  let output = '';
  child.stderr.on('data', (piece) => (output += piece));
  const [code] = (await once(child, 'close')) as [number];
  other.close();
  expect(code).toBe(1);
  expect(output).toContain(
    `port ${port} of 127.0.0.1, which the compute API wants, is taken by another program: choose another with --compute-port`,
  );
  expect(existsSync(elsewhere)).toBe(false);
});
