import { afterEach, describe, expect, it } from 'vitest';
import { brokerctl, brokerUrl, freshVirtualHost, importDefinitions, freshNamespace } from './broker.ts';
import { freshDatabase } from './database.ts';
import { eventually } from './eventually.ts';
import { answersAmqp } from './services/free-port.ts';

describe('eventually', () => {
  it('settles with the first value that is accepted', async () => {
    let count = 0;
    await expect(
      eventually(
        () => (count += 1),
        (value) => value >= 3,
        { everyMs: 1 },
      ),
    ).resolves.toBe(3);
  });

  it('tells the last value at the deadline', async () => {
    const never = eventually(
      () => ({ state: 'building' }),
      ({ state }) => state === 'active',
      { timeoutMs: 20, everyMs: 5, what: 'an active server' },
    );
    await expect(never).rejects.toThrow("an active server did not come within 20 ms; the last value: { state: 'building' }");
  });

  it('asks again after a failure, and tells the last one at the deadline', async () => {
    const failing = eventually(() => Promise.reject(new Error('no route')), undefined, { timeoutMs: 20, everyMs: 5 });
    await expect(failing).rejects.toThrow('no route');
  });
});

describe('a database of a test file', () => {
  const undo: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const step of undo.splice(0)) await step();
  });

  it('is empty, apart from others, and gone after its drop even while somebody is connected', async () => {
    const [one, other] = await Promise.all([freshDatabase(), freshDatabase()]);
    undo.push(
      () => one.drop(),
      () => other.drop(),
    );
    await one.query('CREATE TABLE mine (id integer)');
    await expect(other.query('SELECT * FROM mine')).rejects.toThrow('does not exist');
    const sleeper = one.query('SELECT pg_sleep(30)').catch((error: unknown) => error);
    await eventually(
      async () =>
        (await other.query(`SELECT 1 FROM pg_stat_activity WHERE datname = '${one.name}' AND query LIKE '%pg_sleep%'`)).length > 0,
    );
    await one.drop();
    expect(await sleeper).toBeInstanceOf(Error);
    expect(await other.query(`SELECT 1 FROM pg_database WHERE datname = '${one.name}'`)).toEqual([]);
  });
});

describe('the broker of the test run', () => {
  it('answers, and takes a virtual host and definitions', async () => {
    const { hostname, port } = new URL(brokerUrl());
    expect(await answersAmqp(Number(port || 5672), hostname)).toBe(true);
    const virtualHost = await freshVirtualHost();
    const name = freshNamespace();
    await importDefinitions({
      exchanges: [{ name, vhost: virtualHost.name, type: 'topic', durable: true, auto_delete: false, internal: false, arguments: {} }],
    });
    expect(await brokerctl(['list_exchanges', '--vhost', virtualHost.name, 'name'])).toContain(name);
    await virtualHost.remove();
    expect(await brokerctl(['list_vhosts'])).not.toContain(virtualHost.name);
  });
});
