/**
 * Servers that move, as an operator with the stock clients sees them: separate processes on RabbitMQ and PostgreSQL. The
 * steps build on each other, as in a session.
 */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startCloud, type Cloud } from '../support/cloud.ts';
import { eventually } from '../support/eventually.ts';
import { novaTable, stockClients, type StockClients } from '../support/openstack.ts';

let cloud: Cloud;
let admin: StockClients;

type Shown = Readonly<Record<string, unknown>>;

beforeAll(async () => {
  cloud = await startCloud({
    hosts: 3,
    config: { conductor: { resend_min_ms: 500, service_down_ms: 5_000 }, compute: { transfer_report_ms: 200 } },
  });
  admin = stockClients(cloud.admin, { microversion: '2.87' });
});

afterAll(async () => {
  admin?.close();
  await cloud?.stop();
});

const show = (server = 'mover') => admin.json<Shown>('server', 'show', server);
const hostOf = (server: Shown) => String(server['OS-EXT-SRV-ATTR:host']);
const until = (status: string, server = 'mover') =>
  eventually(
    () => show(server),
    (seen) => seen['status'] === status,
    { what: `status ${status}`, timeoutMs: 60_000 },
  );
const migrations = (server = 'mover') => admin.json<readonly Shown[]>('server', 'migration', 'list', '--server', server);
/** Guests stay at a host until something else is said, or for so long. */
const holding = async (host: string, act: () => Promise<void>, effect: object = { effect: 'hang' }) => {
  const file = join(cloud.dir, host, 'fake-control.json');
  writeFileSync(file, JSON.stringify({ hold: { verb: 'migrateOut', ...effect } }));
  try {
    await act();
  } finally {
    rmSync(file);
  }
};

/** The client asks for the evacuation, and then trips over the empty answer that there is since 2.14 (python-openstackclient 6.0). */
const unlessTripped = (error: unknown): void => {
  if (!String(error).includes('TupleWithMeta')) throw error as Error;
};

test('openstack server resize, confirm and revert', async () => {
  const created = await admin.json<Shown>(
    ...['server', 'create', '--flavor', 'm1.tiny', '--image', 'cirros', '--nic', 'none', '--wait', 'mover'],
  );
  const first = hostOf(created);
  await admin.openstack('server', 'resize', '--flavor', 'm1.small', 'mover');
  const waiting = await until('VERIFY_RESIZE');
  expect(hostOf(waiting)).not.toBe(first);
  await admin.openstack('server', 'resize', 'revert', 'mover');
  const reverted = await until('ACTIVE');
  expect(hostOf(reverted)).toBe(first);
  await admin.openstack('server', 'resize', '--flavor', 'm1.small', 'mover');
  await until('VERIFY_RESIZE');
  await admin.openstack('server', 'resize', 'confirm', 'mover');
  expect((await until('ACTIVE'))['flavor']).toMatchObject({ original_name: 'm1.small' });
  expect((await migrations()).map(({ Status }) => Status)).toEqual(['confirmed', 'reverted']);
  const events = await admin.json<readonly Shown[]>('server', 'event', 'list', 'mover');
  expect(events.map(({ Action }) => Action)).toEqual(['confirmResize', 'resize', 'revertResize', 'resize', 'create']);
});

test('openstack server migrate', async () => {
  const before = hostOf(await show());
  await admin.openstack('server', 'migrate', '--wait', 'mover');
  await admin.openstack('server', 'migration', 'confirm', 'mover');
  expect(hostOf(await until('ACTIVE'))).not.toBe(before);
});

test('nova live-migration, also to a host that is named', async () => {
  const before = hostOf(await show());
  await admin.nova('live-migration', 'mover');
  const after = await eventually(show, (seen) => hostOf(seen) !== before && seen['status'] === 'ACTIVE', { what: 'another host' });
  expect(after['OS-EXT-STS:power_state']).toBe(1);
  await admin.openstack('server', 'migrate', '--live-migration', '--host', before, '--wait', 'mover');
  expect(hostOf(await show())).toBe(before);
});

test('openstack server migration list, abort, and nova live-migration-force-complete', async () => {
  const home = hostOf(await show());
  const start = async () => {
    await admin.nova('live-migration', 'mover');
    const listed = await eventually(migrations, (rows) => rows[0]?.['Status'] === 'running', { what: 'a migration that runs' });
    expect((await show())['status']).toBe('MIGRATING');
    return String(listed[0]!['Id']);
  };
  await holding(home, async () => {
    await admin.openstack('server', 'migration', 'abort', 'mover', await start());
    expect(hostOf(await until('ACTIVE'))).toBe(home);
    expect((await migrations())[0]).toMatchObject({ Status: 'cancelled', Type: 'live-migration' });
    await admin.nova('live-migration-force-complete', 'mover', await start());
    expect(hostOf(await until('ACTIVE'))).not.toBe(home);
    expect((await migrations())[0]).toMatchObject({ Status: 'completed' });
  });
});

test('nova server-migration-show tells how far it is; a second one from the same host is queued, and goes on or is aborted', async () => {
  const home = hostOf(await show());
  await admin.openstack(
    'server',
    'create',
    '--flavor',
    'm1.tiny',
    '--image',
    'cirros',
    '--nic',
    'none',
    '--host',
    home,
    '--wait',
    'second',
  );
  const latest = async (server: string, status: string) =>
    String(
      (
        await eventually(
          () => migrations(server),
          (rows) => rows[0]?.['Status'] === status,
          { what: `${server} ${status}` },
        )
      )[0]!['Id'],
    );
  await holding(
    home,
    async () => {
      await admin.nova('live-migration', 'mover');
      const running = await latest('mover', 'running');
      await admin.nova('live-migration', 'second');
      const queued = await latest('second', 'queued');
      const seen = async () => novaTable(await admin.nova('server-migration-show', 'mover', running));
      const sent = await eventually(seen, ({ memory_processed_bytes: bytes }) => Number(bytes) > 0, { what: 'bytes that were sent' });
      expect(Number(sent['memory_processed_bytes']) + Number(sent['memory_remaining_bytes'])).toBe(Number(sent['memory_total_bytes']));
      expect((await eventually(show, ({ progress }) => Number(progress) > 0, { what: 'progress' }))['status']).toBe('MIGRATING');
      expect(await admin.nova('server-migration-list', 'second')).toContain('queued');
      await admin.openstack('server', 'migration', 'abort', 'second', queued);
      await latest('second', 'cancelled');
      expect(hostOf(await until('ACTIVE', 'second'))).toBe(home);
      await admin.openstack('server', 'migrate', '--live-migration', 'second');
      await latest('second', 'queued');
      await admin.openstack('server', 'migration', 'force', 'complete', 'mover', running);
    },
    { effect: 'delay', ms: 30_000 },
  );
  expect(await until('ACTIVE')).toMatchObject({ progress: 0 });
  await latest('mover', 'completed');
  await eventually(
    () => show('second'),
    (seen) => hostOf(seen) !== home && seen['status'] === 'ACTIVE',
    { what: 'the second one elsewhere', timeoutMs: 60_000 },
  );
});

test('a live migration that cannot work is refused up to 2.33, and shows in the instance action from 2.34 on', async () => {
  const home = hostOf(await show('second'));
  const old = stockClients(cloud.admin, { microversion: '2.30' });
  await expect(old.nova('live-migration', 'second', home)).rejects.toThrow(/to current host/);
  old.close();
  await admin.nova('live-migration', 'second', home);
  await eventually(
    () => migrations('second'),
    (rows) => rows[0]?.['Status'] === 'error',
    { what: 'a migration that failed' },
  );
  expect(await until('ACTIVE', 'second')).toMatchObject({ 'OS-EXT-STS:task_state': null });
  const events = await admin.json<readonly Shown[]>('server', 'event', 'list', 'second');
  const id = String(events.find(({ Action }) => Action === 'live-migration')!['Request ID']);
  const event = await admin.json<{ readonly events: readonly Shown[] }>('server', 'event', 'show', 'second', id);
  expect(JSON.stringify(event)).toContain('to current host');
});

test('nova host-evacuate-live empties a host, one server after the other', async () => {
  const home = hostOf(await show('second'));
  if (hostOf(await show()) !== home) await admin.openstack('server', 'migrate', '--live-migration', '--host', home, '--wait', 'mover');
  await admin.nova('host-evacuate-live', home);
  for (const server of ['mover', 'second'])
    await eventually(
      () => show(server),
      (seen) => hostOf(seen) !== home && seen['status'] === 'ACTIVE',
      { what: `${server} elsewhere`, timeoutMs: 60_000 },
    );
  expect(await admin.json('server', 'list', '--all-projects', '--host', home)).toEqual([]);
  await admin.openstack('server', 'delete', '--wait', 'second');
});

test('openstack server evacuate, after which the dead host clears up when it comes back', async () => {
  const dead = hostOf(await show());
  const member = cloud.of('compute').find(({ name }) => name === dead)!;
  await expect(admin.nova('evacuate', 'mover')).rejects.toThrow(/still in use/);
  await cloud.kill(member);
  await admin.openstack('compute', 'service', 'set', '--down', dead, 'nova-compute');
  await admin.openstack('server', 'evacuate', 'mover').catch(unlessTripped);
  const evacuated = await eventually(show, (seen) => hostOf(seen) !== dead && seen['status'] === 'ACTIVE', { what: 'another host' });
  expect(evacuated['OS-EXT-STS:vm_state']).toBe('active');
  expect((await migrations())[0]).toMatchObject({ Status: 'done', Type: 'evacuation' });
  await admin.openstack('compute', 'service', 'set', '--up', dead, 'nova-compute');
  await cloud.revive(member);
  await eventually(migrations, (rows) => rows[0]?.['Status'] === 'completed', { what: 'the dead host cleared up', timeoutMs: 60_000 });
  await admin.openstack('server', 'delete', '--wait', 'mover');
});
