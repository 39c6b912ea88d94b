// The outbox as a user would write it, on a real PostgreSQL, with a real RabbitMQ.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Pool, type PoolClient } from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import {
  connectAmqp,
  consumeEvents,
  createPublisher,
  drainOutbox,
  type Drain,
  type OutboxEntry,
  type OutboxStore,
  type Transport,
} from '../index.ts';
import { freshDatabase, type TestDatabase } from '../../../../tests/support/database.ts';
import { eventually } from '../testing/bench.ts';
import { openProxy, testBroker, type CuttableProxy } from '../testing/proxy.ts';
import { change, events } from '../testing/things.ts';

const CLAIM = `
  UPDATE outbox SET claimed_until = clock_timestamp() + $2 * interval '1 ms'
  WHERE seq IN (
    SELECT seq FROM outbox WHERE claimed_until IS NULL OR claimed_until < clock_timestamp()
    ORDER BY seq LIMIT $1 FOR UPDATE SKIP LOCKED)
  RETURNING seq, id, topic, key, body`;

const storeOn = (pool: Pool): OutboxStore<PoolClient> => ({
  async append(transaction, { id, topic, key, body }) {
    await transaction.query('INSERT INTO outbox (id, topic, key, body) VALUES ($1, $2, $3, $4)', [id, topic, key, body]);
  },
  async claim(limit, forMs) {
    const { rows } = await pool.query<OutboxEntry & { seq: string }>(CLAIM, [limit, forMs]);
    return rows.toSorted((a, b) => Number(a.seq) - Number(b.seq));
  },
  async done(ids) {
    await pool.query('DELETE FROM outbox WHERE id = ANY($1)', [ids]);
  },
});

let database: TestDatabase;
let pool: Pool;
let runs = 0;
let namespace: string;
let proxy: CuttableProxy;
let near: Transport;
let far: Transport;
let drain: Drain | undefined;
const seen: { id: string; name: string }[] = [];

beforeAll(async () => {
  database = await freshDatabase();
  pool = new Pool({ connectionString: database.url });
  await pool.query(`CREATE TABLE outbox (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, id text UNIQUE NOT NULL,
    topic text NOT NULL, key text NOT NULL, body text NOT NULL, claimed_until timestamptz)`);
  await pool.query('CREATE TABLE things (name text PRIMARY KEY)');
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});

beforeEach(async () => {
  namespace = `outbox-${process.pid}-${++runs}`;
  seen.length = 0;
  await pool.query('TRUNCATE outbox, things');
  proxy = await openProxy(testBroker());
  near = await connectAmqp({ url: proxy.url, service: 'near', id: '1', namespace, queues: 'classic', retryCapMs: 100 });
  far = await connectAmqp({ url: testBroker(), service: 'far', id: '1', namespace, queues: 'classic' });
  await consumeEvents(
    far,
    events,
    { 'thing.changed': ({ id }, { name }) => void seen.push({ id, name }) },
    { group: 'audit', concurrency: 1 },
  );
});
afterEach(async () => {
  await drain?.stop();
  drain = undefined;
  await Promise.all([near.close(), far.close()]);
  await proxy.close();
});

/** A thing and its event in one transaction; false: taken back. */
async function make(name: string, commit = true): Promise<string> {
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    await client.query('INSERT INTO things (name) VALUES ($1)', [name]);
    const id = await createPublisher(near, events).stage(storeOn(pool), client, 'thing.changed', change(name));
    await client.query(commit ? 'COMMIT' : 'ROLLBACK');
    return id;
  } finally {
    client.release();
  }
}

const staged = async () => (await pool.query('SELECT 1 FROM outbox')).rowCount;

test('what was committed is published in its order and marked, what was rolled back never', async () => {
  drain = drainOutbox(near, storeOn(pool), { batch: 2, pollMs: 20 });
  await make('never', false);
  const ids = [await make('1'), await make('2'), await make('3'), await make('4'), await make('5')];
  await eventually(() => seen.length === 5);
  expect(seen).toEqual(ids.map((id, index) => ({ id, name: String(index + 1) })));
  await expect.poll(staged).toBe(0);
});

test('a wake publishes at once what was committed', async () => {
  drain = drainOutbox(near, storeOn(pool), { pollMs: 3_600_000 });
  const id = await make('one');
  drain.wake();
  await expect.poll(() => seen).toEqual([{ id, name: 'one' }]);
});

test('while the broker is away events stay staged, and are published when it is back', async () => {
  proxy.cut();
  await expect.poll(() => near.connected).toBe(false);
  drain = drainOutbox(near, storeOn(pool), { pollMs: 20, retryCapMs: 50 });
  await Promise.all([make('1'), make('2')]);
  expect(await staged()).toBe(2);
  expect(seen).toEqual([]);
  proxy.restore();
  await eventually(() => seen.length === 2, 10_000);
  await expect.poll(staged).toBe(0);
});

test('two drains publish each event once while both live', async () => {
  const other = drainOutbox(far, storeOn(pool), { batch: 3, pollMs: 10 });
  drain = drainOutbox(near, storeOn(pool), { batch: 3, pollMs: 10 });
  const names = Array.from({ length: 40 }, (_, index) => String(index));
  for (const name of names) await make(name);
  await eventually(() => seen.length >= 40);
  await expect.poll(staged).toBe(0);
  await other.stop();
  expect(seen.map(({ name }) => Number(name)).toSorted((a, b) => a - b)).toEqual(names.map(Number));
});

test('a process killed between the publication and the mark has its event published again, under the same id', async () => {
  const id = await make('one');
  // The same store in a process of its own, which hangs where it should mark; it says so, and is killed there.
  const program = `
    import pg from 'pg';
    import { connectAmqp, drainOutbox } from '@kilonova/rpc';
    const pool = new pg.Pool({ connectionString: process.env.DATABASE });
    const transport = await connectAmqp({ url: process.env.BROKER, service: 'doomed', id: '1', namespace: process.env.NAMESPACE, queues: 'classic' });
    drainOutbox(transport, {
      claim: async (limit, forMs) => (await pool.query(process.env.CLAIM, [limit, forMs])).rows,
      done: (ids) => new Promise(() => console.log('published', ids.join())),
    }, { claimMs: 300 });`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
    cwd: fileURLToPath(new URL('../..', import.meta.url)),
    env: { ...process.env, DATABASE: database.url, BROKER: testBroker(), NAMESPACE: namespace, CLAIM },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  child.stdout.on('data', (text: Buffer) => (said += text.toString()));
  const ended = new Promise((resolve) => child.once('exit', resolve));
  await expect.poll(() => said, { timeout: 20_000 }).toContain(`published ${id}`);
  child.kill('SIGKILL');
  await ended;
  await eventually(() => seen.length === 1);
  expect(await staged()).toBe(1);

  drain = drainOutbox(near, storeOn(pool), { pollMs: 20 });
  await eventually(() => seen.length === 2);
  expect(seen).toEqual([
    { id, name: 'one' },
    { id, name: 'one' },
  ]);
  await expect.poll(staged).toBe(0);
});
