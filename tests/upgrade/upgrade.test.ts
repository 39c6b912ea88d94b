/**
 * A cloud of the last release is brought to this one and back, process by process, while users work without a pause: no request fails, in
 * whichever order the kinds of services follow each other. KILONOVA_TEST_UPGRADE_ORDERS=all goes through every order, =api through those in
 * which the apis are first.
 */
import { computeContract, conductorContract, MAJOR, MINOR, OperationInquiry, version } from '@kilonova/objects';
import { call, connectAmqp, createClient, defineContract, Empty, type Refusal, type Transport } from '@kilonova/rpc';
import { seededRandom, silentLogger } from '@kilonova/runtime';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { InvariantWatch, violations } from '../crash/invariants.ts';
import { brokerUrl } from '../support/broker.ts';
import { startCloud, type Cloud, type Member } from '../support/cloud.ts';
import { ComputeClient } from '../support/compute-client.ts';
import { eventually } from '../support/eventually.ts';
import { KilonovaProcess, type Build } from '../support/process.ts';
import { Load, Rotation } from './load.ts';
import { KINDS, passes, type Kind, type Pass } from './orders.ts';
import { pinsOf, refusedBy } from './pins.ts';
import { releasedBuild, type ReleasedBuild } from './released-build.ts';

const orders = process.env['KILONOVA_TEST_UPGRADE_ORDERS'] ?? 'few';
if (passes[orders] === undefined)
  throw new Error(`KILONOVA_TEST_UPGRADE_ORDERS: expected one of ${Object.keys(passes).join(', ')}, found ${orders}`);
/** Requests that must have been answered before the next process is replaced. */
const ANSWERS_BETWEEN = 25;

/** Looks often, so that a test need not wait long for a pin that moves by itself. */
const ours: Build = {
  env: {
    KILONOVA_BROKER_HOST_RETRY_CAP_MS: '1000',
    KILONOVA_CONDUCTOR_VERSION_LOOK_MS: '250',
    KILONOVA_SCHEDULER_PIN_ASK_MS: '500',
    KILONOVA_API_PIN_ASK_MS: '500',
    KILONOVA_COMPUTE_PIN_ASK_MS: '500',
  },
};

let released: ReleasedBuild;
let cloud: Cloud;

beforeAll(async () => {
  released = releasedBuild();
  cloud = await startCloud({
    ...{ conductors: 2, schedulers: 2, apis: 2, hosts: 3, build: released },
    config: {
      broker: { host_retry_cap_ms: undefined }, // the release refuses what it does not know
      conductor: { heartbeat_ms: 500, service_down_ms: 8_000 },
      scheduler: { heartbeat_interval_ms: 500, digest_interval_ms: 1_000 },
      fake: { latency_ms: { spawn: 40, remove: 20, stop: 20, start: 20, migrateOut: 60, prepareIncoming: 20, finishIncoming: 20 } },
      quota: { instances: 200, cores: 200, ram: 1_000_000 },
    },
  });
});
afterAll(() => cloud?.stop());

const minorOfRelease = () => Number(released.wire.split('.')[1]);
const isOurs = (member: Member) => member.build === ours;

test('a message of a newer minor or another major is refused by name, with both versions', async () => {
  const { namespace } = (JSON.parse(readFileSync(cloud.file, 'utf8')) as { broker: { namespace: string } }).broker;
  const transport: Transport = await connectAmqp({
    urls: [brokerUrl()],
    namespace,
    service: 'api',
    id: 'stranger',
    queues: 'classic',
    log: silentLogger,
  });
  try {
    const newer = createClient(transport, conductorContract);
    await expect(newer.getHostDigest(new Empty())).rejects.toMatchObject({
      code: 'UnsupportedVersion',
      details: { asked: version, supported: released.wire },
    });
    const { getHostDigest } = conductorContract.methods;
    const next = `${MAJOR + 1}.0`;
    const methods = { getHostDigest: call({ since: next, request: getHostDigest.request, response: getHostDigest.response }) };
    const stranger = createClient(transport, defineContract({ topic: 'conductor', version: next, methods }));
    await expect(stranger.getHostDigest(new Empty())).rejects.toMatchObject({
      code: 'UnsupportedVersion',
      details: { asked: next, supported: released.wire },
    });
    const refusals: Refusal[] = [];
    const hosts = createClient(transport, computeContract, { onRefused: (refusal) => void refusals.push(refusal) });
    await hosts.at('host-1').inquire(Object.assign(new OperationInquiry(), { host: 'host-1', operationIds: [] }));
    const [refusal] = await eventually(
      () => refusals,
      ({ length }) => length > 0,
    );
    expect(refusal).toMatchObject({ method: 'inquire', server: 'host-1', version });
    expect(refusal?.error).toMatchObject({ code: 'UnsupportedVersion', details: { asked: version, supported: released.wire } });
  } finally {
    await transport.close();
  }
});

test(`no request fails while a cloud moves to this release and back, ${passes[orders]?.length} times in all`, async () => {
  const journal = new Journal();
  const rotation = new Rotation(
    new Map(cloud.of('api').map(({ name }, index) => [name, new ComputeClient(cloud.admin, cloud.computeUrls[index]!)])),
  );
  const client = cloud.client();
  for (const [id, ram] of [
    ['load', 256],
    ['load-large', 512],
  ] as const)
    await client.expect('POST', '/flavors', { body: { flavor: { name: id, ram, vcpus: 1, disk: 1, id } } });
  const load = new Load({
    ...{ rotation, random: seededRandom(20_261_129), flavorId: 'load', otherFlavorId: 'load-large' },
    ...{ imageId: await cloud.imageId(), workers: 4, moment: () => journal.moment },
  });
  const answers = async (count: number) => {
    const wanted = load.total + count;
    await eventually(
      () => load.total,
      (total) => total >= wanted,
      { timeoutMs: 120_000, everyMs: 50, what: `${count} more answers` },
    );
  };

  load.start();
  await answers(ANSWERS_BETWEEN);
  journal.at('the schema is migrated first', load);
  expect(await migrationsOf(cloud)).toEqual(released.migrations);
  await KilonovaProcess.run(['db', 'migrate', '--config', cloud.file], { cwd: cloud.dir, build: ours });
  const migrated = await migrationsOf(cloud);
  // Else the mixture would show nothing.
  expect(migrated.length).toBeGreaterThan(released.migrations.length);
  expect(MINOR).toBeGreaterThan(minorOfRelease());
  const watch = new InvariantWatch(cloud);
  watch.start();
  await answers(ANSWERS_BETWEEN);

  for (const pass of passes[orders] ?? []) {
    for (const kind of pass.order) {
      for (const member of cloud.of(kind)) {
        journal.at(`${pass.to} ${pass.order.join(' ')}: ${member.name}`, load);
        await journal.keepRefusals(member);
        await replace(member, pass, rotation);
        await answers(ANSWERS_BETWEEN);
      }
      await pinsHaveMoved();
    }
    expect(load.failures).toEqual([]);
  }
  await load.stop();
  for (const member of cloud.members) await journal.keepRefusals(member);

  await eventually(
    () => cloud.database.query(`select kind, state, step, failure from tasks where state in ('running', 'parked', 'unwinding')`),
    (live) => live.length === 0,
    { timeoutMs: 120_000, everyMs: 250, what: 'the end of every task' },
  );
  await eventually(
    () => cloud.database.query('select * from cleanups'),
    (left) => left.length === 0,
    {
      ...{ timeoutMs: 60_000, everyMs: 250, what: 'the end of every cleanup' },
    },
  );
  console.log(journal.tell(load));
  expect(load.failures).toEqual([]);
  expect(await watch.stop()).toEqual([]);
  expect(await violations(cloud, load.requests)).toEqual([]);
  expect(load.requests.length).toBeGreaterThan(20);
});

const migrationsOf = async ({ database }: Cloud): Promise<readonly string[]> =>
  (await database.query<{ name: string }>('select name from kilonova_migrations order by id')).map(({ name }) => name);

async function replace(member: Member, { to }: Pass, rotation: Rotation): Promise<void> {
  // An api is taken out of its balancer first, as an operator does.
  if (member.role === 'api') await rotation.takeOut(member.name);
  await cloud.replace(member, to === 'forward' ? ours : released);
  if (member.role === 'api') rotation.putBack(member.name);
}

/** Every process of this release speaks what the oldest of its peers understands, and nobody told it. */
async function pinsHaveMoved(): Promise<void> {
  const oldest = (kind: Kind) => (cloud.of(kind).every(isOurs) ? MINOR : minorOfRelease());
  const olderHosts = cloud.of('compute').filter((member) => !isOurs(member)).length;
  for (const member of cloud.members.filter((one) => isOurs(one) && KINDS.some((kind) => kind === one.role))) {
    const expected =
      member.role === 'conductor'
        ? { scheduler: oldest('scheduler'), conductor: oldest('conductor'), olderHosts }
        : { conductor: oldest('conductor') };
    await eventually(
      () => pinsOf(member),
      (pins) => Object.entries(expected).every(([peer, minor]) => pins[peer] === minor),
      { timeoutMs: 60_000, everyMs: 200, what: `pins ${JSON.stringify(expected)} of ${member.name}` },
    );
  }
}

/** What happened when, for whoever reads the output. */
class Journal {
  moment = 'the last release alone';
  readonly #refused = new Map<string, number>();
  #answersBefore = 0;
  #failuresBefore = 0;

  at(moment: string, load: Load): void {
    this.#close(load);
    this.moment = moment;
  }

  async keepRefusals(member: Member): Promise<void> {
    for (const [what, count] of await refusedBy(member)) this.#refused.set(what, (this.#refused.get(what) ?? 0) + count);
  }

  tell(load: Load): string {
    this.#close(load);
    const answered = [...load.answered].map(([what, count]) => `${what} ${count}`).join(', ');
    const refused = [...this.#refused].map(([what, count]) => `${what} ${count}`).join(', ');
    return [
      `${load.requests.length} servers, ${load.total} requests (${answered}), ${load.failures.length} failed`,
      `messages refused for their version, and said again: ${refused === '' ? 'none' : refused}`,
    ].join('\n');
  }

  #close(load: Load): void {
    const [answers, failures] = [load.total - this.#answersBefore, load.failures.length - this.#failuresBefore];
    [this.#answersBefore, this.#failuresBefore] = [load.total, load.failures.length];
    console.log(`${this.moment.padEnd(70)} ${String(answers).padStart(5)} answers ${String(failures).padStart(3)} failed`);
  }
}
