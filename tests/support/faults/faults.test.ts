import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectAmqp } from 'amqplib';
import { Client } from 'pg';
import { afterEach, describe, expect, test } from 'vitest';
import { brokerUrl, freshNamespace } from '../broker.ts';
import { freshDatabase } from '../database.ts';
import { eventually } from '../eventually.ts';
import { startPrivateDatabase } from '../services/private-database.ts';
import { ClockSkew } from './clock-skew.ts';
import { copyMessages } from './copied-messages.ts';
import { OPEN, startFaultProxy } from './fault-proxy.ts';
import { LostAnswers } from './lost-answers.ts';
import { ReorderedDeliveries } from './reordered-deliveries.ts';

const undo: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).toReversed()) await step();
});

const random = () => 0.5;

describe('a way to PostgreSQL', () => {
  const open = async (lost = new LostAnswers()) => {
    const database = await freshDatabase();
    undo.push(() => database.drop());
    const proxy = await startFaultProxy(database.url, { random, watcher: lost.watcher });
    undo.push(() => proxy.stop());
    const client = new Client({ connectionString: proxy.through(database.url) });
    client.on('error', () => undefined);
    await client.connect();
    undo.push(() => client.end().catch(() => undefined));
    return { database, proxy, client, lost };
  };

  test('loses the answer to a commit, and the commit holds', async () => {
    const { client, database, lost } = await open();
    await client.query('create table kept (id int)');
    await client.query('begin');
    await client.query('insert into kept values (1)');
    lost.arm(() => true);
    await expect(client.query('commit')).rejects.toThrow(/terminated/);
    expect(await database.query('select id from kept')).toEqual([{ id: 1 }]);
    expect(lost.lost).toBe(1);
  });

  test('loses the answer to a statement that commits by itself, also a prepared one', async () => {
    const { client, database, lost } = await open();
    await client.query('create table kept (id int)');
    lost.arm(() => true);
    expect((await client.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
    await expect(client.query({ name: 'put', text: 'insert into kept values ($1)', values: [2] })).rejects.toThrow(/terminated/);
    expect(await database.query('select id from kept')).toEqual([{ id: 2 }]);
  });

  test('lets everything pass that is asked for while answers are offered and not taken', async () => {
    const { client, lost } = await open();
    lost.arm(() => false);
    await client.query('create table kept (id int)');
    await client.query('insert into kept select generate_series(1, 20000)');
    expect((await client.query('select id from kept order by id')).rows).toHaveLength(20_000);
  });

  test('holds what is said while it is stalled, and gives it when it is open again', async () => {
    const { client, proxy } = await open();
    proxy.behave({ kind: 'stall' });
    let answered = false;
    const asked = client.query('select 1 as one').then(({ rows }) => {
      answered = true;
      return rows;
    });
    const straight = new Client({ connectionString: (await freshlyDropped()).url });
    await straight.connect();
    await straight.query('select pg_sleep(0.2)');
    await straight.end();
    expect(answered).toBe(false);
    proxy.behave(OPEN);
    expect(await asked).toEqual([{ one: 1 }]);
  });

  test('delivers in order when it is slow, and breaks when it is refused', async () => {
    const { client, proxy, database } = await open();
    proxy.behave({ kind: 'slow', delayMs: 5, jitterMs: 20, bytesPerSecond: 1_000_000 });
    const { rows } = await client.query('select n from generate_series(1, 20000) n');
    expect(rows.map(({ n }) => n as number)).toEqual(Array.from({ length: 20_000 }, (_, index) => index + 1));
    proxy.behave({ kind: 'refuse' });
    await expect(client.query('select 1')).rejects.toThrow(/terminated|ECONNRESET|not queryable/);
    const again = new Client({ connectionString: proxy.through(database.url) });
    again.on('error', () => undefined);
    await expect(again.connect()).rejects.toThrow(/terminated|ECONNRESET|socket/);
  });
});

const freshlyDropped = async () => {
  const database = await freshDatabase();
  undo.push(() => database.drop());
  return database;
};

test('a message that is held back is overtaken, and both are acknowledged as what they are', async () => {
  const reordered = new ReorderedDeliveries();
  const proxy = await startFaultProxy(brokerUrl(), { random, watcher: reordered.watcher });
  undo.push(() => proxy.stop());
  const model = await connectAmqp(proxy.through(brokerUrl()));
  undo.push(() => model.close());
  const channel = await model.createChannel();
  const { queue } = await channel.assertQueue('', { exclusive: true });
  const got: string[] = [];
  await channel.consume(queue, (message) => {
    if (message === null) return;
    got.push(message.content.toString().slice(0, 5));
    channel.ack(message);
  });
  let offered = 0;
  reordered.arm(() => (offered++ === 0 ? { others: 2, atMostMs: 20_000 } : undefined));
  const body = (word: string) => Buffer.from(word.padEnd(200_000, '.')); // several frames
  for (const word of ['one..', 'two..', 'three', 'four.']) channel.sendToQueue(queue, body(word));
  await eventually(() => got.length === 4);
  expect(got).toEqual(['two..', 'three', 'one..', 'four.']);
  expect((await channel.checkQueue(queue)).messageCount).toBe(0);
});

test('messages come a second time with all that they had, and calls to nobody still come back', async () => {
  const namespace = freshNamespace();
  const model = await connectAmqp(brokerUrl());
  undo.push(() => model.close());
  const channel = await model.createChannel();
  const exchange = `${namespace}.internal.v2`;
  await channel.assertExchange(exchange, 'topic', { autoDelete: true });
  const { queue } = await channel.assertQueue('', { exclusive: true });
  await channel.bindQueue(queue, exchange, 'known');
  const got: unknown[] = [];
  await channel.consume(queue, (message) => message !== null && got.push([message.content.toString(), message.properties]), {
    noAck: true,
  });
  const copies = await copyMessages({ namespace, random, probability: 1, lateMs: 100 });
  const returned: string[] = [];
  channel.on('return', ({ content }: { content: Buffer }) => returned.push(content.toString()));
  channel.publish(exchange, 'known', Buffer.from('hello'), {
    ...{ messageId: 'm-1', correlationId: 'c-1', userId: 'guest', expiration: '60000', headers: { a: { b: 1 } }, mandatory: true },
  });
  channel.publish(exchange, 'unknown', Buffer.from('nobody'), { mandatory: true });
  await eventually(() => got.length === 2);
  await copies.stop();
  expect(got[1]).toEqual(got[0]);
  expect(got).toHaveLength(2); // a copy is not copied
  expect(returned).toEqual(['nobody']);
});

test('a clock that is put forward and back goes on running under a program', () => {
  const dir = mkdtempSync(join(tmpdir(), 'kilonova-skew-'));
  undo.push(() => rmSync(dir, { recursive: true, force: true }));
  const skew = new ClockSkew(join(dir, 'skew'));
  const read = () =>
    Number(
      execFileSync(process.execPath, ['-e', 'console.log(Date.now(), new Date().getTime())'], { env: skew.env }).toString().split(' ')[1],
    );
  skew.set(-3_600_000);
  expect(Math.round((Date.now() - read()) / 60_000)).toBe(60);
  skew.set(3_600_000);
  expect(Math.round((read() - Date.now()) / 60_000)).toBe(60);
  skew.end();
  expect(Math.abs(read() - Date.now())).toBeLessThan(60_000);
});

test.each(['fast', 'immediate'] as const)(
  'a private database that was ended (%s) comes back on its address with what was committed',
  async (how) => {
    const dir = mkdtempSync(join(tmpdir(), 'kilonova-private-'));
    chmodSync(dir, 0o711);
    const database = await startPrivateDatabase(dir);
    undo.push(() => database.stop());
    const ask = async (sql: string) => {
      const client = new Client({ connectionString: database.url });
      client.on('error', () => undefined);
      await client.connect();
      try {
        return (await client.query(sql)).rows as unknown[];
      } finally {
        await client.end();
      }
    };
    await ask('create table kept as select 7 as id');
    await database.end(how);
    await expect(ask('select 1')).rejects.toThrow(/ECONNREFUSED/);
    await database.start();
    expect(await ask('select id from kept')).toEqual([{ id: 7 }]);
  },
);
