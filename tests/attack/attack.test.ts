/** Somebody has taken over a compute host, and with it its broker account. What can be done with it, elsewhere? Nothing. */
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { brokerctl } from '../support/broker.ts';
import { eventually } from '../support/eventually.ts';
import { KilonovaProcess } from '../support/process.ts';
import { brokerActs } from './broker-acts.ts';
import { contracts, definedContracts, envelope, methods } from './contracts.ts';
import { fingerprint } from './fingerprint.ts';
import { Matrix } from './matrix.ts';
import { contractShots, falseReports, impossibleReports, type Broker, type Target } from './shots.ts';
import { aStolenHost, STOLEN, type Stage } from './stage.ts';

const FLOOD = 20_000;

let stage: Stage;
let broker: Broker;
const matrix = new Matrix();
const own = () =>
  [`compute.${STOLEN}`, `reply.compute.${STOLEN}`, `fanout.compute.compute.${STOLEN}`].map((name) => `${stage.namespace}.${name}.v2`);
const reports = () => ({ exchange: `${stage.namespace}.from-hosts.v2`, key: 'host-reports.any' });
const effects = () => fingerprint(stage.cloud, stage.namespace, { host: STOLEN, instances: [stage.own] });
const refusals = () => stage.metric('kilonova_rpc_refused_total', 'topic="host-reports"');
const logOf = () => stage.cloud.of('conductor')[0]!.process.output();

beforeAll(async () => {
  stage = await aStolenHost();
  const names = async (what: string) =>
    (await brokerctl(['--quiet', what, 'name'])).split('\n').filter((name) => name.startsWith(`${stage.namespace}.`));
  broker = {
    namespace: stage.namespace,
    queues: await names('list_queues'),
    exchanges: [...(await names('list_exchanges')), 'amq.topic', 'amq.direct', 'amq.fanout', 'amq.headers'],
  };
});

afterAll(async () => {
  await stage?.attacker.close();
  await stage?.cloud.stop();
  process.stdout.write(`${matrix.table()}\n`);
});

/** Runs it, and holds that nothing changed that is not the stolen host's own. */
async function withoutEffect(act: () => Promise<void>): Promise<void> {
  const before = await effects();
  await act();
  // What was sent last is done with once an answer comes for what was sent after it.
  const last = await stage.attacker.ask({ ...reports(), body: envelope(methodOf('reportOperations'), { host: STOLEN, reports: [] }) });
  expect(last).toEqual({ by: 'none' });
  expect(await effects()).toEqual(before);
}

/** A few at a time, each on a channel of its own. */
async function inParallel<T>(all: Iterable<T>, act: (one: T) => Promise<void>): Promise<void> {
  const rest = all[Symbol.iterator]();
  const work = async () => {
    for (let next = rest.next(); next.done !== true; next = rest.next()) await act(next.value);
  };
  await Promise.all(Array.from({ length: 6 }, work));
}

const methodOf = (name: string) => methods.find(({ topic, method }) => topic === 'host-reports' && method === name)!;

test('every contract that the sources define is attacked', () => {
  expect(contracts.length).toBe(definedContracts());
  expect(contracts.map(({ topic }) => topic).toSorted()).toEqual(['compute', 'conductor', 'host-reports', 'scheduler']);
});

test('the doctor finds the accounts of the broker as they should be', async () => {
  const found = join(stage.cloud.dir, 'found.json');
  await brokerctl(['export_definitions', found]);
  const config = join(stage.cloud.dir, 'kilonova.yaml');
  const said = await KilonovaProcess.run(['doctor', 'rabbitmq', '--config', config, '--found', found]);
  expect(said).toBe('ok     6 accounts have their rights and no more\n');
});

test('no method reaches anybody, whichever way it is sent', async () => {
  const facts = {
    instanceUuid: stage.victims.settled,
    uuid: stage.victims.settled,
    host: 'host-2',
    generation: 1,
    admin: true,
    allProjects: true,
    projectId: 'admin',
    userId: 'admin',
  };
  await withoutEffect(async () => {
    await inParallel(contractShots(broker, facts), async ({ kind, shot }) => {
      const asked = shot.key === 'host-reports.any' ? stage.attacker.ask(shot, 100) : stage.attacker.shoot(shot);
      const outcome = matrix.note(kind, await asked);
      expect.soft(outcome.by, `${kind}: ${JSON.stringify({ ...shot, body: undefined })}`).not.toBe('none');
    });
  });
});

test('the broker lets the account do nothing with what is not its own', async () => {
  const allowed = new Set<string>();
  await withoutEffect(async () => {
    await inParallel(brokerActs(broker, own()), async ({ kind, act }) => {
      const { by } = matrix.note(kind, await stage.attacker.attempt(act));
      if (by !== 'broker') allowed.add(kind);
    });
  });
  // An answer straight to the asker is no way to others: whoever is asked answers at reply keys only.
  expect([...allowed]).toEqual(['be answered directly']);
});

async function targets(): Promise<readonly Target[]> {
  const uuids = Object.values(stage.victims);
  const rows = await stage.cloud.database.query<{ uuid: string; host: string | null; generation: number; awaits: string | null }>(
    `select i.uuid, i.host, i.generation, t.awaits from instances i left join tasks t on t.instance_uuid = i.uuid and t.state = 'parked' where i.uuid = any($1)`,
    [uuids],
  );
  return rows.map(({ uuid, host, generation, awaits }) => ({
    ...{ uuid, host: host ?? 'host-3', generation },
    operationIds: [
      ...(awaits === null ? [] : [awaits]),
      `cleanup/${uuid}/${generation}/0`,
      `double/${uuid}/${generation}/1`,
      `${uuid}/askSpawn`,
    ],
  }));
}

test('what it says of others is not believed, and each refusal is counted and logged with the account', async () => {
  const whole = await targets();
  expect(whole).toHaveLength(7);
  const counted = await refusals();
  const disbelieved = await stage.metric('kilonova_host_refusals_total', 'code="NotGiven"');
  let refused = 0;
  const taken = new Set<string>();
  await withoutEffect(async () => {
    for (const { kind, body } of falseReports(whole)) {
      const unanswered = /^(a sign of life|progress).* in its own name$/.test(kind);
      const shot = { ...reports(), body };
      const { by } = matrix.note(kind, await (unanswered ? stage.attacker.shoot(shot) : stage.attacker.ask(shot)));
      if (!/in the name of|node/.test(kind)) continue;
      refused += 1;
      if (by !== 'us') taken.add(kind);
    }
  });
  expect([...taken]).toEqual([]);
  expect((await refusals()) - counted).toBe(refused);
  expect(await stage.metric('kilonova_host_refusals_total', 'code="NotGiven"')).toBeGreaterThan(disbelieved);
  expect(await stage.metric('kilonova_host_refusals_total', `account="compute.${STOLEN}",code="NotAuthorized"`)).toBeGreaterThan(0);
  expect(logOf()).toContain(`account \\"compute.${STOLEN}\\" does not speak for host \\"host-2\\"`);
});

test('what cannot be is refused before it comes near the database', async () => {
  const counted = await refusals();
  const errors = await stage.metric('kilonova_rpc_handler_errors_total', 'topic="host-reports"');
  await withoutEffect(async () => {
    for (const { kind, shot } of impossibleReports(stage.namespace, broker.queues)) {
      const outcome = matrix.note(kind, await stage.attacker.ask({ ...reports(), ...shot }, 500));
      expect.soft(outcome.by, `${kind}: ${shot.body.toString().slice(0, 300)}`).not.toBe('none');
    }
  });
  expect(await refusals()).toBeGreaterThan(counted);
  expect(await stage.metric('kilonova_rpc_handler_errors_total', 'topic="host-reports"')).toBe(errors);
});

test('an order that it got for itself can be sent to nobody else', async () => {
  await stage.cloud.client().expect('POST', `/servers/${stage.own}/action`, { body: { 'os-stop': null } });
  const order = await eventually(() => stage.attacker.orders[0]!, undefined, { timeoutMs: 20_000, what: 'an order for the stolen host' });
  await withoutEffect(async () => {
    for (const exchange of broker.exchanges.filter((name) => !name.includes('from-hosts')))
      for (const key of ['compute.to.host-2', 'compute.any', 'compute.all', String(order.properties.replyTo)]) {
        const { content, properties } = order;
        const { correlationId, replyTo, headers } = properties as { correlationId?: string; replyTo?: string; headers?: object };
        for (const userId of [`compute.${STOLEN}`, 'conductor']) {
          const options = { userId, ...(correlationId && { correlationId }), ...(replyTo && { replyTo }), ...(headers && { headers }) };
          const outcome = matrix.note('orders of its own sent on', await stage.attacker.shoot({ exchange, key, body: content, options }));
          expect.soft(outcome.by, `${exchange} ${key}`).not.toBe('none');
        }
      }
  });
});

test('answers for others, with what it may know of their questions, reach nobody', async () => {
  const ids = stage.attacker.orders.map(({ properties }) => String(properties.correlationId));
  const keys = broker.queues
    .filter((name) => name.startsWith(`${stage.namespace}.reply.`))
    .map((name) => name.slice(stage.namespace.length + 1, -'.v2'.length));
  await withoutEffect(async () => {
    for (const exchange of ['replies', 'replies-from-hosts', 'from-hosts', 'events'].map((word) => `${stage.namespace}.${word}.v2`))
      for (const key of keys)
        for (const correlationId of [...ids, '1', '00000000-0000-4000-8000-000000000000']) {
          const shot = { exchange, key, body: JSON.stringify({ body: { operationIds: [] } }), options: { correlationId } };
          const outcome = matrix.note('forged answers', await stage.attacker.shoot(shot));
          expect.soft(outcome.by, `${exchange} ${key}`).toBe('broker');
        }
  });
});

test('lies about its own server stay with it: what its tenant counts as and what others have is as before', async () => {
  const [{ generation } = { generation: 0 }] = await stage.cloud.database.query<{ generation: number }>(
    'select generation from instances where uuid = $1',
    [stage.own],
  );
  const before = await stage.cloud.database.query('select instance_uuid, vcpus, memory_mb, disk_gb from allocations where host = $1', [
    STOLEN,
  ]);
  await withoutEffect(async () => {
    for (let round = 4_000_000_001; round < 4_000_000_005; round += 1) {
      const body = envelope(methodOf('reportDomains'), {
        host: STOLEN,
        round,
        last: true,
        domains: [{ uuid: stage.own, generation, power: 4 }],
      });
      expect(await stage.attacker.ask({ ...reports(), body })).toEqual({ by: 'none' });
    }
  });
  expect(
    await stage.cloud.database.query('select instance_uuid, vcpus, memory_mb, disk_gb from allocations where host = $1', [STOLEN]),
  ).toEqual(before);
});

test(`while it sends ${FLOOD} messages others work on: hosts build, the API answers`, async () => {
  const before = await effects();
  const body = envelope(methodOf('reportDomains'), { host: STOLEN, round: 4_000_000_100, last: true, domains: [] });
  let stop = false;
  const imageRef = await stage.cloud.imageId();
  const client = stage.cloud.client();
  const work = async () => {
    let built = 0;
    while (!stop || built === 0) {
      const { server } = await client.expect<{ server: { id: string } }>('POST', '/servers', {
        body: { server: { name: 'meanwhile', flavorRef: '1', imageRef, networks: 'none', host: 'host-2' } },
      });
      await eventually(
        () => stage.status(server.id),
        (status) => status === 'ACTIVE',
        { timeoutMs: 30_000, everyMs: 100, what: 'ACTIVE in the flood' },
      );
      await client.expect('DELETE', `/servers/${server.id}`);
      built += 1;
    }
    return built;
  };
  const working = work();
  const correlationId = 'flood';
  const batch = Array.from({ length: 500 }, () => ({ ...reports(), body, options: { replyTo: stage.attacker.replyKey, correlationId } }));
  try {
    for (let sent = 0; sent < FLOOD; sent += batch.length) {
      await stage.attacker.attempt(async (channel) => {
        for (const { exchange, key, body: content, options } of batch)
          channel.publish(exchange, key, Buffer.from(content), { userId: stage.attacker.account, ...options });
        await channel.waitForConfirms();
        return { by: 'none' };
      });
    }
  } finally {
    stop = true;
  }
  matrix.note(`a flood of ${FLOOD} reports`, { by: 'us', why: 'Busy' });
  expect(await working).toBeGreaterThan(0);
  const services = await client.expect<{ services: readonly { host: string; state: string }[] }>('GET', '/os-services?binary=nova-compute');
  expect(services.services.filter(({ host }) => host !== STOLEN).map(({ state }) => state)).toEqual(['up', 'up']);
  expect(await stage.metric('kilonova_rpc_refused_total', 'code="Busy"')).toBeGreaterThan(0);
  const { broker: after } = (await effects()) as { broker: unknown };
  expect(after).toEqual(before['broker']);
});

test('no password and no content of a message is in any log', () => {
  const logs = stage.cloud.members.map(({ process }) => process.output()).join('\n');
  for (const password of stage.passwords) expect(logs.includes(password)).toBe(false);
});
