import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { identityOf, isAlive } from '@kilonova/runtime';
import { Client } from 'pg';
import { afterAll, expect, test } from 'vitest';
import { startEmbeddedPostgres, type EmbeddedPostgres } from './embedded.ts';

const ask = async (url: string, sql: string): Promise<readonly (readonly string[])[]> => {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    const results = [await client.query({ text: sql, rowMode: 'array' })].flat(); // one for each statement
    return (results.at(-1)?.rows ?? []).map((row: unknown[]) => row.map(String));
  } finally {
    await client.end();
  }
};

const folder = mkdtempSync(join(tmpdir(), 'kilonova-postgres-'));
// What only its user may enter needs another place for root's PostgreSQL, see the last test.
chmodSync(folder, 0o711);
const running: EmbeddedPostgres[] = [];
const start = async (name: string, changes: Partial<Parameters<typeof startEmbeddedPostgres>[0]> = {}) => {
  const server = await startEmbeddedPostgres({ dir: join(folder, name), ...changes });
  running.push(server);
  return server;
};
afterAll(async () => {
  await Promise.all(running.map((server) => server.stop()));
  rmSync(folder, { recursive: true, force: true });
});

test('it listens on loopback only, wants its password, syncs to disk, and has the databases asked for', async () => {
  const server = await start('plain', { databases: ['kilonova', 'other'] });
  expect(
    await ask(
      server.urlOf('kilonova'),
      "select current_setting('fsync'), current_setting('listen_addresses'), current_setting('password_encryption')",
    ),
  ).toEqual([['on', '127.0.0.1', 'scram-sha-256']]);
  expect(await ask(server.urlOf('other'), 'select 1')).toEqual([['1']]);
  const wrong = new URL(server.url);
  wrong.password = 'wrong';
  await expect(ask(wrong.href, 'select 1')).rejects.toThrow('password authentication failed');
});

test('its password is random and readable by its user only', async () => {
  const [one, other] = [await start('password-1'), await start('password-2')];
  expect(new URL(one.url).password).not.toBe(new URL(other.url).password);
  expect(statSync(join(folder, 'password-1', 'password')).mode & 0o777).toBe(0o600);
});

test('what was committed survives a stop and a start, and the stop leaves no process', async () => {
  const first = await start('restart', { databases: ['kilonova'] });
  await ask(first.urlOf('kilonova'), 'create table kept (id int); insert into kept values (7)');
  const identity = identityOf(first.pid);
  await first.stop();
  expect(identity && isAlive(identity)).toBe(false);
  const second = await start('restart', { databases: ['kilonova'] });
  expect(await ask(second.urlOf('kilonova'), 'select id from kept')).toEqual([['7']]);
});

test('a second server on the same folder is refused', async () => {
  await start('twice');
  await expect(start('twice')).rejects.toThrow(`is in use by process ${process.pid}`);
});

test('a server orphaned by a killed process is stopped, and its data is there', async () => {
  const dir = join(folder, 'orphan');
  const script = `
    import { startEmbeddedPostgres } from ${JSON.stringify(fileURLToPath(new URL('./embedded.ts', import.meta.url)))};
    const server = await startEmbeddedPostgres({ dir: ${JSON.stringify(dir)}, databases: ['kilonova'] });
    console.log(JSON.stringify({ pid: server.pid, url: server.urlOf('kilonova') }));
    setInterval(() => {}, 1000);`;
  const owner = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await Promise.race([once(owner.stdout, 'data'), once(owner, 'exit')])) as [Buffer];
  const { pid, url } = JSON.parse(line.toString()) as { pid: number; url: string };
  await ask(url, 'create table kept (id int); insert into kept values (7)');
  const orphan = identityOf(pid);
  owner.kill('SIGKILL');
  await once(owner, 'exit');
  expect(orphan && isAlive(orphan)).toBe(true);

  const notices: string[] = [];
  const next = await start('orphan', { databases: ['kilonova'], notice: (notice) => notices.push(notice) });
  expect(notices[0]).toContain(`process ${pid}`);
  expect(orphan && isAlive(orphan)).toBe(false);
  expect(await ask(next.urlOf('kilonova'), 'select id from kept')).toEqual([['7']]);
});

test('a server killed with -9 recovers at the next start, also when its id belongs to another process by now', async () => {
  const first = await start('killed', { databases: ['kilonova'] });
  await ask(first.urlOf('kilonova'), 'create table kept (id int); insert into kept values (7)');
  process.kill(first.pid, 'SIGKILL');
  await first.exited;
  await first.stop();
  const pidFile = join(first.dataDir, 'postmaster.pid');
  writeFileSync(pidFile, readFileSync(pidFile, 'utf8').replace(/^\d+/, String(process.pid)));
  const second = await start('killed', { databases: ['kilonova'] });
  expect(await ask(second.urlOf('kilonova'), 'select id from kept')).toEqual([['7']]);
});

test('an ephemeral one leaves nothing', async () => {
  const server = await start('ephemeral', { ephemeral: true });
  await server.stop();
  expect(existsSync(join(folder, 'ephemeral'))).toBe(false);
});

test('a taken port is an error that names it, and the folder is free again', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const { port } = other.address() as { port: number };
  await expect(start('taken', { port })).rejects.toThrow(`127.0.0.1:${port}`);
  other.close();
  const server = await start('taken');
  const socket = connect(server.port, '127.0.0.1');
  await once(socket, 'connect');
  socket.destroy();
});

test('below a folder that only its user may enter it starts too, and keeps its data over a restart', async () => {
  mkdirSync(join(folder, 'closed'), { mode: 0o700 });
  const first = await start('closed/state', { databases: ['kilonova'] });
  await ask(first.urlOf('kilonova'), 'create table kept (id int); insert into kept values (7)');
  await first.stop();
  const second = await start('closed/state', { ephemeral: true, databases: ['kilonova'] });
  expect(second.dataDir).toBe(first.dataDir);
  expect(await ask(second.urlOf('kilonova'), 'select id from kept')).toEqual([['7']]);
  await second.stop();
  expect(existsSync(second.dataDir)).toBe(false);
});
