/** A compute host is the least trusted part: what can somebody do who has taken one over, and with it its broker account? */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DomainReport, DomainsReport, hostReportsContract, OperationReport, OperationReports } from '@kilonova/objects';
import { connectAmqp, createClient } from '@kilonova/rpc';
import { connect, type Channel, type ChannelModel, type ConfirmChannel } from 'amqplib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { brokerUrl } from '../support/broker.ts';
import { startCloud, type Cloud } from '../support/cloud.ts';
import { eventually } from '../support/eventually.ts';
import { KilonovaProcess } from '../support/process.ts';
import { freePorts } from '../support/services/free-port.ts';

let cloud: Cloud;
let imageRef: string;
let namespace: string;
/** Of the host that was taken over. */
let url: string;
let connection: ChannelModel;

beforeAll(async () => {
  cloud = await startCloud({
    accounts: 'separate',
    hosts: 2,
    zones: { a: ['host-1'], b: ['host-2'] },
    config: { fake: { latency_ms: { spawn: 2_000 } } },
  });
  imageRef = await cloud.imageId();
  const { broker } = JSON.parse(readFileSync(join(cloud.dir, 'kilonova.yaml'), 'utf8')) as {
    broker: { namespace: string; host_passwords: Record<string, string> };
  };
  namespace = broker.namespace;
  const address = new URL(brokerUrl());
  Object.assign(address, { username: 'compute.host-1', password: broker.host_passwords['host-1'] });
  url = address.href;
  connection = await connect(url);
  connection.on('error', () => undefined);
});

afterAll(async () => {
  await connection?.close().catch(() => undefined);
  await cloud?.stop();
});

interface Server {
  readonly id: string;
  readonly status: string;
  readonly 'OS-EXT-SRV-ATTR:host': string | null;
}
const create = async (zone: string) => {
  const body = { server: { name: `in-${zone}`, flavorRef: '1', imageRef, networks: 'none', availability_zone: zone } };
  return (await cloud.client().expect<{ server: Server }>('POST', '/servers', { body })).server.id;
};
const show = async (id: string) => (await cloud.client().expect<{ server: Server }>('GET', `/servers/${id}`)).server;
const active = (id: string) =>
  eventually(
    () => show(id),
    ({ status }) => status === 'ACTIVE',
    { timeoutMs: 30_000, everyMs: 100, what: 'ACTIVE' },
  );

test('a cloud whose hosts have accounts of their own boots servers', async () => {
  const ids = await Promise.all(['a', 'b'].map(create));
  const hosts = (await Promise.all(ids.map(active))).map((server) => server['OS-EXT-SRV-ATTR:host']);
  expect(hosts).toEqual(['host-1', 'host-2']);
});

const exchange = (word: string) => `${namespace}.${word}.v2`;
const queue = (name: string) => `${namespace}.${name}.v2`;
const publish =
  (to: () => string, key: () => string, options = {}) =>
  async (channel: ConfirmChannel) => {
    channel.publish(to(), key(), Buffer.from('{}'), options);
    await channel.waitForConfirms();
  };

const attempts: readonly { readonly title: string; readonly act: (channel: ConfirmChannel) => Promise<unknown> }[] = [
  {
    title: 'order another host about',
    act: publish(
      () => exchange('to-hosts'),
      () => 'compute.to.host-2',
    ),
  },
  {
    title: 'order itself about',
    act: publish(
      () => exchange('to-hosts'),
      () => 'compute.to.host-1',
    ),
  },
  {
    title: 'write straight into the queue of another host',
    act: publish(
      () => '',
      () => queue('compute.host-2'),
    ),
  },
  {
    title: 'write straight into the queue of the conductors',
    act: publish(
      () => '',
      () => queue('conductor'),
    ),
  },
  {
    title: 'ask the conductors as the api does',
    act: publish(
      () => exchange('internal'),
      () => 'conductor.any',
    ),
  },
  {
    title: 'tell the schedulers of hosts',
    act: publish(
      () => exchange('internal'),
      () => 'scheduler.all',
    ),
  },
  {
    title: 'say on its own exchange what is not for the conductors',
    act: publish(
      () => exchange('from-hosts'),
      () => 'compute.to.host-2',
    ),
  },
  {
    title: 'answer in place of a conductor',
    act: publish(
      () => exchange('replies-from-hosts'),
      () => 'reply.api.any',
    ),
  },
  {
    title: 'answer where the services do',
    act: publish(
      () => exchange('replies'),
      () => 'reply.conductor.any',
    ),
  },
  {
    title: 'answer another host',
    act: publish(
      () => exchange('replies-from-hosts'),
      () => 'reply.compute.host-2',
    ),
  },
  {
    title: 'report under the name of another host',
    act: publish(
      () => exchange('from-hosts'),
      () => 'host-reports.any',
      { userId: 'compute.host-2' },
    ),
  },
  { title: 'read the orders of another host', act: (channel) => channel.consume(queue('compute.host-2'), () => undefined) },
  { title: 'read the answers to another host', act: (channel) => channel.consume(queue('reply.compute.host-2'), () => undefined) },
  { title: 'read what the conductors are asked', act: (channel) => channel.consume(queue('conductor'), () => undefined) },
  { title: 'read what others report', act: (channel) => channel.consume(queue('host-reports'), () => undefined) },
  { title: 'take one order of another host', act: (channel) => channel.get(queue('compute.host-2')) },
  { title: 'declare a queue', act: (channel) => channel.assertQueue(queue('mine')) },
  { title: 'declare a queue that the broker names', act: (channel) => channel.assertQueue('') },
  { title: 'declare an exchange', act: (channel) => channel.assertExchange(exchange('mine'), 'topic') },
  {
    title: 'bind its queue to the orders of all hosts',
    act: (channel) => channel.bindQueue(queue('compute.host-1'), exchange('to-hosts'), '#'),
  },
  {
    title: 'bind its queue to the reports of all hosts',
    act: (channel) => channel.bindQueue(queue('compute.host-1'), exchange('from-hosts'), '#'),
  },
  { title: 'tie exchanges together', act: (channel) => channel.bindExchange(exchange('from-hosts'), exchange('to-hosts'), '#') },
  { title: 'remove the queue of another host', act: (channel) => channel.deleteQueue(queue('compute.host-2')) },
  { title: 'empty the queue of another host', act: (channel) => channel.purgeQueue(queue('compute.host-2')) },
];

test.each(attempts)('its account may not $title', async ({ act }) => {
  const channel = await connection.createConfirmChannel();
  // A refused publish has no answer of its own: the broker closes the channel, and says why.
  const closed = refusalOf(channel);
  const acted = act(channel).then(
    () => 'it was allowed',
    () => closed,
  );
  expect(await Promise.race([acted, closed])).toMatch(/403 \(ACCESS.REFUSED\)|406 \(PRECONDITION.FAILED\).*user_id/);
});

const refusalOf = (channel: Channel) => new Promise<string>((settle) => channel.once('error', (error: Error) => settle(error.message)));

test("what it reports of another host's server is not believed", async () => {
  const agent = cloud.of('compute').find(({ name }) => name === 'host-1')!;
  await cloud.kill(agent); // its queues are the intruder's now
  const transport = await connectAmqp({ url, service: 'compute', id: 'host-1', namespace, queues: 'classic', steward: true });
  try {
    const conductor = createClient(transport, hostReportsContract);
    const id = await create('b');
    const waiting = () => cloud.database.query<{ id: string }>(`select id from tasks where kind = 'build-instance' and state = 'parked'`);
    const [task] = await eventually(waiting, (tasks) => tasks.length === 1, { what: 'a build that waits for its host' });

    const report = Object.assign(new OperationReport(), {
      number: 1_000,
      operationId: `${task!.id}/askSpawn`,
      instanceUuid: id,
      generation: 1,
      outcome: 'failed',
      message: 'forged',
    });
    const reports = (host: string) => Object.assign(new OperationReports(), { host, reports: [report] });
    await expect(conductor.reportOperations(reports('host-2'))).rejects.toThrow(
      'account "compute.host-1" does not speak for host "host-2"',
    );
    await conductor.reportOperations(reports('host-1'));

    const domain = Object.assign(new DomainReport(), { uuid: id, generation: 1, power: 4 });
    const domains = (host: string) => Object.assign(new DomainsReport(), { host, round: 4_000_000_000, domains: [domain] });
    await expect(conductor.reportDomains(domains('host-2'))).rejects.toThrow('account "compute.host-1" does not speak for host "host-2"');
    await conductor.reportDomains(domains('host-1'));

    expect((await active(id))['OS-EXT-SRV-ATTR:host']).toBe('host-2');
    expect(await cloud.database.query('select message from instance_faults where instance_uuid = $1', [id])).toEqual([]);
  } finally {
    await transport.close();
    await cloud.revive(agent);
  }
});

test('an agent that starts long before a conductor says what it waits for, and is ready soon after one comes', async () => {
  const [conductor] = cloud.of('conductor');
  const agent = cloud.of('compute').find(({ name }) => name === 'host-2')!;
  await Promise.all([cloud.kill(conductor!), cloud.kill(agent)]);
  const port = await freePorts(1);
  const settings = [`probes.port=${port}`, 'broker.start_wait_ms=2000'].flatMap((one) => ['--set', one]);
  agent.process = KilonovaProcess.spawn([...agent.args, ...settings], { cwd: cloud.dir });
  const health = async () => {
    const answer = await fetch(`http://127.0.0.1:${port}/healthz`);
    const { checks } = (await answer.json()) as { checks: Record<string, { reason?: string }> };
    return `${answer.status} ${checks['compute.host-2.broker']?.reason}`;
  };
  const expected = /^503 waits for a conductor to declare its queues: .*no queue '.*reply\.compute\.host-2\./;
  await eventually(health, (found) => expected.test(found), { what: 'the reason' });
  expect(agent.process.output()).toContain('"msg":"waits for a conductor to declare its queues"');
  await new Promise((resolve) => setTimeout(resolve, 4_000)); // twice broker.start_wait_ms
  await cloud.revive(conductor!);
  await agent.process.ready(15_000);
  await eventually(health, (found) => found.startsWith('200 '), { what: 'a host that is well' });
});
