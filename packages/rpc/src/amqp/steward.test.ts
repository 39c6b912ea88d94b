import { connect as amqplib } from 'amqplib';
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { freshVirtualHost, importDefinitions, type VirtualHost } from '../../../../tests/support/broker.ts';
import {
  brokerDefinitions,
  connectAmqp,
  consumeEvents,
  createClient,
  createPublisher,
  defineContract,
  call,
  cast,
  Empty,
  NotAuthorized,
  serve,
  serveSteward,
  type AmqpOptions,
  type ClientOptions,
  type Transport,
  type Waiting,
} from '../index.ts';
import { eventually } from '../testing/bench.ts';
import { Seen, Text } from '../testing/echo.ts';
import { change, events } from '../testing/things.ts';

const compute = defineContract({
  topic: 'compute',
  version: '1.0',
  exchange: 'to-hosts',
  methods: {
    look: call({ since: '1.0', request: Empty, response: Seen }),
    spawn: cast({ since: '1.0', request: Text }),
    stop: call({ since: '1.0', request: Empty, response: Seen, priority: 'control' }),
  },
});
const reports = defineContract({
  topic: 'conductor',
  version: '1.0',
  exchange: 'from-hosts',
  methods: { report: call({ since: '1.0', request: Text, response: Seen }), tell: cast({ since: '1.0', request: Text }) },
});
const internal = defineContract({
  topic: 'conductor',
  version: '1.0',
  methods: { report: call({ since: '1.0', request: Text, response: Seen }) },
});

const seen = (caller: string): Seen => ({ caller, requestId: '', remainingMs: 0, version: '' });
const text = (value: string) => Object.assign(new Text(), { text: value });

let host: VirtualHost;
const open: { close(): Promise<void> }[] = [];
const granted = new Set(['host-1']);
const users = new Map<string, { user: string; password: string }>();
const user = (name: string) => users.get(name) ?? { user: '', password: '' };

beforeAll(async () => {
  host = await freshVirtualHost();
  for (const name of ['conductor', 'host-1', 'host-2', 'host-3'])
    users.set(name, { user: `${host.name}-${name}`, password: randomBytes(12).toString('hex') });
  const account = (name: string) => ({ ...user(name), topic: 'compute', server: name, talksTo: ['conductor'], publishes: ['things'] });
  await importDefinitions(
    brokerDefinitions({
      vhost: host.name,
      trusted: [user('conductor')],
      hosts: [account('host-1'), account('host-2'), account('host-3')],
    }),
  );
});
afterAll(async () => {
  for (const part of open.toReversed()) await part.close();
  await host.remove();
});

const urlOf = (name: string) => Object.assign(new URL(host.url), { username: user(name).user, password: user(name).password }).href;

async function connect(
  name: string,
  service: string,
  options: Pick<AmqpOptions, 'steward' | 'startWaitMs' | 'retryCapMs' | 'waitForSteward' | 'onWaiting'> & { id?: string },
): Promise<Transport> {
  const transport = await connectAmqp({
    url: urlOf(name),
    service,
    id: options.id ?? name,
    queues: 'classic',
    retryCapMs: 200,
    ...options,
  });
  open.push(transport);
  return transport;
}

test('a host without any right to declare serves, reports and answers once the steward has declared its queues', async () => {
  const conductor = await connect('conductor', 'conductor', { steward: false });
  const waiting = connect('host-1', 'compute', { steward: true });
  const steward = await serveSteward(conductor, {
    allow: (userId) =>
      [...granted]
        .filter((name) => userId === user(name).user)
        .map((server) => ({ topic: 'compute', server, control: true, answersFrom: 'trusted' })),
  });
  open.push({ close: () => steward.stop() });
  const agent = await waiting;
  const spawned: string[] = [];
  await serve(
    agent,
    compute,
    {
      look: (context) => seen(context.caller),
      stop: (context) => seen(context.caller),
      spawn: (_context, request) => void spawned.push(request.text),
    },
    { server: 'host-1' },
  );
  await serve(conductor, reports, { report: (context) => seen(context.caller), tell: () => undefined });

  const client = createClient(conductor, compute);
  expect((await client.at('host-1').look(new Empty())).caller).toBe(user('conductor').user);
  expect((await client.at('host-1').stop(new Empty())).caller).toBe(user('conductor').user);
  await client.at('host-1').spawn(text('vm'));
  await eventually(() => spawned.includes('vm'));
  expect((await createClient(agent, reports).report(text('done'))).caller).toBe(user('host-1').user);
});

test('a host that takes the answers of trusted accounts has no way for those of other hosts', async () => {
  const connection = await amqplib(urlOf('conductor'));
  try {
    const channel = await connection.createConfirmChannel();
    const returned: string[] = [];
    channel.on('return', ({ fields }) => returned.push(fields.exchange));
    for (const word of ['replies', 'replies-from-hosts'])
      channel.publish(`kilonova.${word}.v2`, 'reply.compute.host-1', Buffer.from('{}'), { mandatory: true });
    await channel.waitForConfirms();
    expect(returned).toEqual(['kilonova.replies-from-hosts.v2']);
  } finally {
    await connection.close();
  }
});

test('a cast that is refused comes back, from a host and to a host', async () => {
  const agent = open.find((part): part is Transport => 'service' in part && part.service === 'compute') as Transport;
  const conductor = open.find((part): part is Transport => 'service' in part && part.service === 'conductor') as Transport;
  const refused: string[] = [];
  const hear = (by: string): ClientOptions => ({ onRefused: ({ method, error }) => refused.push(`${method} of ${by}: ${error.code}`) });
  await createClient(agent, { ...reports, version: '1.1' }, hear('host-1')).tell(text('?'));
  await createClient(conductor, { ...compute, version: '1.1' }, hear('conductor'))
    .at('host-1')
    .spawn(text('?'));
  await eventually(() => refused.length === 2);
  expect(refused.toSorted()).toEqual(['spawn of conductor: UnsupportedVersion', 'tell of host-1: UnsupportedVersion']);
});

test('a host publishes events of the topics it was given, and of no other; it joins no group', async () => {
  const agent = open.find((part): part is Transport => 'service' in part && part.service === 'compute') as Transport;
  const conductor = open.find((part): part is Transport => 'service' in part && part.service === 'conductor') as Transport;
  const callers: string[] = [];
  await consumeEvents(conductor, events, { 'thing.changed': ({ caller }) => void callers.push(caller) }, { group: 'audit' });
  await createPublisher(agent, events).publish('thing.changed', change('one'));
  await eventually(() => callers.length === 1);
  expect(callers).toEqual([user('host-1').user]);
  await expect(createPublisher(agent, { ...events, topic: 'others' }).publish('thing.changed', change('forged'))).rejects.toBeInstanceOf(
    NotAuthorized,
  );
  await expect(consumeEvents(agent, events, {}, { group: 'audit' })).rejects.toBeInstanceOf(NotAuthorized);
  await expect
    .poll(() =>
      createPublisher(agent, events)
        .publish('thing.changed', change('two'))
        .then(
          () => 'published',
          () => 'failed',
        ),
    )
    .toBe('published');
});

test('what the host may not send is refused by the broker, and its other work goes on', async () => {
  const agent = open.find((part): part is Transport => 'service' in part && part.service === 'compute') as Transport;
  await expect(createClient(agent, internal).report(text('forged'))).rejects.toBeInstanceOf(NotAuthorized);
  await expect(createClient(agent, compute).at('host-2').spawn(text('forged'))).rejects.toBeInstanceOf(NotAuthorized);
  const client = createClient(agent, reports);
  await eventually(() => agent.connected);
  await expect
    .poll(() =>
      client.report(text('again')).then(
        () => 'answered',
        () => 'failed',
      ),
    )
    .toBe('answered');
});

test('a host that is granted nothing does not come up and says so, and cannot take the queues of another', async () => {
  await expect(connect('host-2', 'compute', { steward: true, startWaitMs: 500 })).rejects.toMatchObject({
    code: 'Unreachable',
    message: expect.stringMatching(/^the broker let us in, but nobody declared our queues within 500 ms: .*no queue 'kilonova\.reply\./),
  });
  await expect(connect('host-2', 'compute', { steward: true, startWaitMs: 2_000, id: 'host-1' })).rejects.toBeInstanceOf(NotAuthorized);
});

test('a host that starts long before its steward knows what it waits for, and comes up soon after', { timeout: 20_000 }, async () => {
  const waits: Waiting[] = [];
  const waiting = connect('host-3', 'compute', {
    ...{ steward: true, waitForSteward: true, startWaitMs: 1_000, retryCapMs: 20_000 },
    onWaiting: (one) => waits.push(one),
  });
  await new Promise((resolve) => setTimeout(resolve, 5_500)); // several times what it may take to start
  granted.add('host-3');
  const grantedAt = Date.now();
  await waiting;
  expect(Date.now() - grantedAt).toBeLessThan(6_000); // far below retryCapMs
  expect(waits).toEqual([{ waitsFor: 'steward', reason: expect.stringContaining("no queue 'kilonova.reply.compute.host-3.v2'") }]);
});
