/**
 * Every kind of fault that the machine can give, while users do everything that the api offers. Afterwards every accepted request
 * has exactly one result, and nothing is left over.
 *
 * KILONOVA_TEST_SEED chooses another run, KILONOVA_TEST_ROUNDS how often each kind comes alone (its recovery is measured then),
 * KILONOVA_TEST_FAULTS how many follow, up to three at once, KILONOVA_TEST_USERS how many users there are, KILONOVA_TEST_KINDS only kinds whose name
 * contains the text.
 */
import { seededRandom } from '@kilonova/runtime';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { faultKinds } from './faults/index.ts';
import { faultedOperations, faultLog, lateWithoutCause } from './fault-windows.ts';
import { type Field, openField } from './field.ts';
import { Moments } from './moments.ts';
import { historyOf, InvariantWatch, violations } from './invariants.ts';
import { FaultPlan } from './plan.ts';
import { Probes } from './probes.ts';
import { TwinWatch } from './twins.ts';
import { measureRecovery, type Recovery, recoveryTable } from './recovery.ts';
import { Workload } from './workload/workload.ts';

const seed = Number(process.env['KILONOVA_TEST_SEED'] ?? 20_261_120);
const rounds = Number(process.env['KILONOVA_TEST_ROUNDS'] ?? 1);
const faults = Number(process.env['KILONOVA_TEST_FAULTS'] ?? 6);
const users = Number(process.env['KILONOVA_TEST_USERS'] ?? 8);
const kinds = faultKinds.filter(({ name }) => name.includes(process.env['KILONOVA_TEST_KINDS'] ?? ''));
/** Of one kind alone with its recovery, and of one among others. */
const TIME_FOR = { aloneMs: 60_000, togetherMs: 10_000, restMs: 400_000 };

let field: Field;

beforeAll(async () => {
  console.log(`seed ${seed}`);
  field = await openField(seededRandom(seed));
});

afterAll(() => field?.stop());

test(
  'faults of every kind lose nothing, double nothing and leave nothing behind',
  { timeout: rounds * kinds.length * TIME_FOR.aloneMs + faults * TIME_FOR.togetherMs + TIME_FOR.restMs },
  async () => {
    const { cloud } = field;
    const client = cloud.client();
    for (const [id, ram] of [
      ['crash', 256],
      ['crash-large', 512],
    ] as const)
      await client.expect('POST', '/flavors', { body: { flavor: { name: id, ram, vcpus: 1, disk: 1, id } } });
    const workload = new Workload({ cloud, seed: seed + 100, users, flavorId: 'crash', otherFlavorId: 'crash-large' });
    const probes = new Probes(cloud, await probedServer());
    const watch = new InvariantWatch(cloud);
    const twins = new TwinWatch(cloud);
    const moments = new Moments(cloud);
    const plan = new FaultPlan({ ...field, session: workload.session(seed + 1) }, moments, seededRandom(seed + 2));
    const recoveries: Recovery[] = [];

    await workload.start();
    probes.start();
    watch.start();
    twins.start();
    for (let round = 0; round < rounds; round += 1)
      await plan.oneByOne(kinds, async (window) => void recoveries.push(await measureRecovery(cloud, probes, window)));
    await plan.together(kinds, faults);
    await workload.stop();
    await probes.stop();
    await ended();

    const { seen } = workload;
    const { total, table } = await faultedOperations(cloud, seen.operations, plan.windows);
    console.log(
      [
        `${plan.windows.length} faults, ${total} faulted operations (requests that write, and tasks); ${seen.operations.length} requests, ${seen.answers} answers, ` +
          `${seen.unavailable} times 503, ${seen.unanswered} times none, ${watch.looks} looks at the invariants (${watch.blind} without a database)`,
        `longest: answer ${seen.longestAnswerMs} ms, 503 ${seen.longestUnavailableMs} ms, request with its repeats ${seen.longestOperationMs} ms`,
        `| fault | faults | writes | tasks | reads |\n| --- | --- | --- | --- | --- |\n${table}`,
        recoveryTable(recoveries),
        moments.toString(),
      ].join('\n\n'),
    );
    const found = [...(await watch.stop()), ...(await twins.stop()), ...(await violations(cloud, workload.requests))];
    if (found.length > 0) console.log(await historyOf(cloud, found));
    if (found.length > 0 || seen.wrong.length > 0) console.log(faultLog(plan.windows));
    expect({ found, wrong: seen.wrong, late: lateWithoutCause(seen.late, plan.windows) }).toEqual({ found: [], wrong: [], late: [] });
    expect(Math.min(watch.looks, twins.looks)).toBeGreaterThan(0);
    const owed = rounds > 0 ? kinds.filter(({ name }) => !plan.windows.some(({ kind }) => kind === name)) : [];
    expect(owed).toEqual([]);
    expect(total).toBeGreaterThan(plan.windows.length);
  },
);

/** Of a project's own quota, and never touched by the workload. */
async function probedServer(): Promise<string> {
  const { cloud } = field;
  const client = cloud.client();
  const server = { name: 'probed', flavorRef: 'crash', imageRef: await cloud.imageId(), networks: 'none' };
  const { server: made } = await client.expect<{ server: { id: string } }>('POST', '/servers', { body: { server } });
  await eventually(
    () => client.expect<{ server: { status: string } }>('GET', `/servers/${made.id}`),
    (shown) => shown.server.status !== 'BUILD',
    { timeoutMs: 30_000, what: 'the probed server' },
  );
  return made.id;
}

/** Settles when no work is left that anybody asked for. */
async function ended(): Promise<void> {
  const { database } = field.cloud;
  await eventually(
    () =>
      database.query(
        `select kind, state, step, attempts, failure, cancel, awaits_host, deadline_at from tasks where state in ('running', 'parked', 'unwinding')`,
      ),
    (live) => live.length === 0,
    { timeoutMs: 160_000, everyMs: 250, what: 'the end of every task' },
  );
  await eventually(
    () => database.query('select * from cleanups'),
    (left) => left.length === 0,
    { timeoutMs: 60_000, everyMs: 250, what: 'the end of every cleanup' },
  );
}
