import { randomBytes } from 'node:crypto';
import { connect as connectRaw } from 'amqplib';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { brokerctl, freshVirtualHost, type VirtualHost } from '../../../../tests/support/broker.ts';
import { connectAmqp, createClient, serve, type AmqpOptions, type Transport } from '../index.ts';
import { eventually, tally } from '../testing/bench.ts';
import { echoContract, echoHandlers, text } from '../testing/echo.ts';
import { Topology } from './topology.ts';

const contract = echoContract('renewed');
const opened: Transport[] = [];
let host: VirtualHost;
let runs = 0;

beforeAll(async () => {
  host = await freshVirtualHost();
});
afterEach(async () => {
  for (const transport of opened.splice(0)) await transport.close();
});
afterAll(() => host.remove());

async function connect(service: string, options: Partial<AmqpOptions>): Promise<Transport> {
  const settings = {
    url: host.url,
    service,
    id: '1',
    namespace: `renew-${runs}`,
    queues: 'classic',
    retryBaseMs: 10,
    retryCapMs: 100,
  } as const;
  const transport = await connectAmqp({ ...settings, ...options });
  opened.push(transport);
  return transport;
}

describe.each(['classic', 'quorum'] as const)('with %s queues', (queues) => {
  test('connections are renewed under load, and no call or cast notices', { timeout: 60_000 }, async () => {
    runs++;
    const metrics = tally();
    const near = await connect('near', { queues, metrics });
    const far = await connect('far', { queues, metrics });
    const handled = new Map<string, number>();
    const release = new Set<() => void>();
    const note = (_context: unknown, { text: id }: { readonly text: string }) => void handled.set(id, (handled.get(id) ?? 0) + 1);
    await serve(far, contract, echoHandlers(release, { note }), { server: 'host-1' });
    const client = createClient(near, contract);
    const changes: boolean[] = [];
    near.onChange((connected) => changes.push(connected));
    let running = true;
    let done = 0;
    const loop = async (act: (id: string) => Promise<unknown>, name: string) => {
      for (let index = 0; running; index++, done++) await act(`${name}-${index}`);
      return 'all answered';
    };
    const loops = Promise.all([
      ...['a', 'b', 'c'].map((name) => loop((id) => client.echo(text(id)), name)),
      loop((id) => client.at('host-1').echo(text(id)), 'd'),
      ...['e', 'f'].map((name) => loop((id) => client.note(text(id)), name)),
    ]);
    const long = client.hang({ ms: 1 }, { timeoutMs: 60_000 });
    await eventually(() => release.size === 1);
    const renewals = [near.renew(), far.renew()]; // the server's waits for the long call
    await renewals[0];
    for (const act of release) act();
    await Promise.all([long, ...renewals]);
    for (let round = 0; round < 3; round++) {
      const before = done;
      await Promise.all([near.renew(), far.renew()]);
      await eventually(() => done > before + 20);
    }
    running = false;
    expect(new Set(await loops)).toEqual(new Set(['all answered']));
    expect(changes).toEqual([]);
    expect(metrics.counted('renewals')).toBe(8);
    expect(metrics.counted('reconnects')).toBe(0);
    await eventually(() => [...handled.values()].every((times) => times === 1));
    const topology = new Topology(`renew-${runs}`, queues);
    const { name } = topology.queue({ kind: 'topic', exchange: contract.exchange, topic: contract.topic }, 'far', '1');
    const connection = await connectRaw(host.url);
    const channel = await connection.createChannel();
    await expect.poll(async () => (await channel.checkQueue(name)).consumerCount).toBe(1);
    await connection.close();
  });
});

test(
  'a password that was changed is taken up without an interruption; one that is refused changes nothing',
  { timeout: 60_000 },
  async () => {
    runs++;
    const user = `${host.name}-rotated`;
    const [first, second] = [randomBytes(12).toString('hex'), randomBytes(12).toString('hex')];
    await brokerctl(['add_user', user], `${first}\n`);
    await brokerctl(['set_permissions', '--vhost', host.name, user, '.*', '.*', '.*']);
    let password = first;
    const near = await connect('near', { credentials: async () => ({ user, password }) });
    const far = await connect('far', {});
    await serve(far, contract, echoHandlers(new Set(), {}));
    const client = createClient(near, contract);
    await client.echo(text('before'));
    const changes: boolean[] = [];
    near.onChange((connected) => changes.push(connected));
    await brokerctl(['change_password', user], `${second}\n`);
    await expect(near.renew()).rejects.toMatchObject({ code: 'NotAuthorized' });
    expect((await client.echo(text('still there'))).text).toBe('still there');
    password = second;
    await near.renew();
    expect((await client.echo(text('renewed'))).text).toBe('renewed');
    expect(changes).toEqual([]);
    await near.close();
    await brokerctl(['delete_user', user]);
  },
);
