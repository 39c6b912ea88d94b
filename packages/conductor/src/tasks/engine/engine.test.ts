import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Registry } from 'prom-client';
import { silentLogger, systemClock, systemRandom } from '@kilonova/runtime';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { freshDatabase, type FreshDatabase } from '../../testing/fresh-database.ts';
import { mortal } from '../../testing/mortal-database.ts';
import { Definitions, StepFailed, Task } from './definition.ts';
import { Engine } from './engine.ts';
import { engineMetrics } from './metrics.ts';
import { Places } from './places.ts';

let database: FreshDatabase;
let engine: Engine<object>;
const notes: string[] = [];

beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.close());
beforeEach(() => {
  notes.length = 0;
});
afterEach(() => engine.stop());

interface ToyParams {
  readonly name: string;
}
type Toy = Task<ToyParams, object>;

const settings = {
  ...{
    leaseMs: 5_000,
    leaseRenewMs: 1_000,
    lookMs: 20,
    adoptMs: 1_000,
    adoptBatch: 100,
    taskBatch: 50,
    taskConcurrency: 2,
    callConcurrency: 4,
  },
  ...{
    tasksInHand: 1_000,
    retryMinMs: 1,
    retryMaxMs: 20,
    strandedMs: 5_000,
    resendMinMs: 50,
    resendMaxMs: 50,
    inquiryMs: 30,
    stopGraceMs: 500,
  },
};

async function anEngine(toy: Toy, { knex = database.knex, changes = {} as Partial<typeof settings>, minor = () => Infinity } = {}) {
  const registry = new Registry();
  const inquiries: string[] = [];
  engine = new Engine({
    ...{ knex, clock: systemClock, random: systemRandom, log: silentLogger, settings: { ...settings, ...changes }, services: {} },
    places: new Places({ concurrency: settings.taskConcurrency, patienceMs: 0, clock: systemClock }),
    ...{ metrics: engineMetrics(registry), definitions: new Definitions([toy]), self: { id: systemRandom.uuid(), host: 'here' } },
    inquire: async (_host, ids) => void inquiries.push(...ids),
    minor,
  });
  await engine.start();
  const run = async (names: readonly string[], deadlineMs = 60_000) => {
    const created = names.map((name) => ({
      id: systemRandom.uuid(),
      kind: 'toy',
      instanceUuid: null,
      requestId: 'req-1',
      params: { name },
      deadlineMs,
    }));
    const begin = await database.knex.transaction((trx) => engine.createTasks(trx, created));
    begin('holds');
    return created.map(({ id }) => id);
  };
  const states = (ids: readonly string[]) => async () =>
    (await database.knex('tasks').whereIn('id', ids).orderByRaw("params ->> 'name'").pluck('state')) as string[];
  const ended = async (ids: readonly string[], expected: readonly string[]) => {
    await expect.poll(states(ids), { timeout: 5_000, interval: 10 }).toEqual(expected);
  };
  const counter = async (name: string) => (await registry.getSingleMetric(name)!.get()).values.reduce((sum, { value }) => sum + value, 0);
  return { run, ended, counter, inquiries };
}

const toy: Toy = new Task('toy', 1);
const note = (text: string) => ({
  run: async (batch: readonly { params: ToyParams }[]) => void notes.push(...batch.map(({ params }) => `${text} ${params.name}`)),
  undo: async (batch: readonly { params: ToyParams }[]) => void notes.push(...batch.map(({ params }) => `no ${text} ${params.name}`)),
});

test('many tasks share few transactions', async () => {
  const { run, ended, counter } = await anEngine(toy.local('one', note('one')).local('two', note('two')));
  const names = Array.from({ length: 100 }, (_, index) => `t${index + 100}`);
  await ended(
    await run(names),
    names.map(() => 'done'),
  );
  expect(notes).toHaveLength(200);
  expect(await counter('kilonova_task_transactions_total')).toBeLessThanOrEqual(4);
});

test('what steps leave for the end is done once, for all tasks and behind all steps of the transaction', async () => {
  const last = async (_trx: unknown, names: readonly string[]) => void notes.push(`last ${names.join(' ')}`);
  const { run, ended } = await anEngine(
    toy
      .local('one', {
        run: async (batch, _trx, context) =>
          context.atEnd(
            last,
            batch.map(({ params }) => params.name),
          ),
      })
      .local('two', note('two'))
      .local('three', {
        run: async (batch, _trx, context) =>
          context.atEnd(
            last,
            batch.map(({ params }) => `again ${params.name}`),
          ),
      }),
  );
  await ended(await run(['a']), ['done']);
  expect(notes).toEqual(['two a', 'last a again a']);
});

test('one that spoils the batch does not stop the others, and is tried until it works', async () => {
  let left = 3;
  const { run, ended } = await anEngine(
    toy.local('one', {
      run: async (batch) => {
        if (batch.some(({ params }) => params.name === 'bad') && left-- > 0) throw new Error('not today');
        notes.push(...batch.map(({ params }) => params.name));
      },
    }),
  );
  await ended(await run(['a', 'b', 'bad', 'c', 'd']), ['done', 'done', 'done', 'done', 'done']);
  expect(left).toBeLessThan(0);
});

test('what can never work is taken back, last step first, and only what was done', async () => {
  const { run, ended } = await anEngine(
    toy
      .local('one', note('one'))
      .local('two', note('two'))
      .local('three', {
        ...note('three'),
        run: async (batch) => {
          if (batch.some(({ params }) => params.name === 'bad')) throw new StepFailed({ message: 'never' });
        },
      })
      .local('four', note('four'))
      .unwound(async (batch) => void notes.push(...batch.map(({ params, failure }) => `end ${params.name}: ${failure?.message}`))),
  );
  await ended(await run(['bad', 'good']), ['failed', 'done']);
  const ofBad = notes.filter((text) => text.includes('bad'));
  // The first two steps run again whenever their transaction is rolled back.
  expect(ofBad.slice(-5)).toEqual(['one bad', 'two bad', 'no two bad', 'no one bad', 'end bad: never']);
});

test('a question is asked again until it is answered, and its answer is there for the next step', async () => {
  let asked = 0;
  const { run, ended } = await anEngine(
    toy
      .call('ask', {
        ask: async () => {
          asked += 1;
          if (asked < 3) throw new Error('nobody there');
          return { number: asked };
        },
      })
      .local('use', { run: async (batch) => void notes.push(...batch.map(({ outputs }) => JSON.stringify(outputs['ask']))) }),
  );
  await ended(await run(['a']), ['done']);
  expect(notes).toEqual(['{"number":3}']);
});

test("a question that nobody answers ends with the task's deadline", async () => {
  const { run, ended } = await anEngine(
    toy
      .call('ask', { ask: () => Promise.reject(new Error('nobody there')) })
      .local('use', note('use'))
      .unwound(async (batch) => void notes.push(...batch.map(({ failure }) => failure!.message))),
  );
  await ended(await run(['a'], 150), ['failed']);
  expect(notes).toEqual(['The request was not done in time.']);
});

test('an order is said again by its name, then inquired about, then given up', async () => {
  const said: string[] = [];
  const { run, ended, inquiries } = await anEngine(
    toy
      .cast('say', {
        to: () => 'h1',
        send: async (orders) => void said.push(...orders.map(({ operationId }) => operationId)),
        undo: note('say').undo,
      })
      .awaitReport('heard', { deadlineMs: () => 300, onFailure: 'unwind' })
      .local('use', note('use'))
      .unwound(async (batch) => void notes.push(...batch.map(({ failure }) => `${failure!.message} ${failure!.unanswered}`))),
  );
  const ids = await run(['a']);
  await ended(ids, ['failed']);
  expect(said.length).toBeGreaterThan(1);
  expect(new Set(said)).toEqual(new Set([`${ids[0]}/say`]));
  expect(inquiries).toEqual([`${ids[0]}/say`]);
  expect(notes).toEqual(['no say a', 'Host h1 did not answer in time. true']);
});

test('a definition that could not be recovered is refused', () => {
  expect(() => toy.local('one', note('one')).awaitReport('heard', { deadlineMs: () => 1, onFailure: 'unwind' })).toThrow(
    'right after a cast',
  );
  expect(() => toy.cast('say', { to: () => '', send: async () => undefined }).local('one', note('one'))).toThrow('followed by awaitReport');
  expect(() => toy.local('one', note('one')).local('one', note('one'))).toThrow('two steps are named one');
  expect(() => new Definitions([toy.call('ask', { ask: async () => 1 })])).toThrow('the last step is local');
});

test('a step that has nothing to do yet runs again when its task is due', async () => {
  let open = false;
  let runs = 0;
  const gate = {
    run: async (batch: readonly { id: string }[]) => {
      runs += 1;
      return new Map(batch.map(({ id }) => [id, open ? { output: true } : { waitMs: 60_000 }]));
    },
  };
  const { run, ended } = await anEngine(toy.local('gate', gate).local('one', note('one')));
  const ids = await run(['a']);
  await expect.poll(() => runs).toBe(1);
  open = true;
  await database
    .knex('tasks')
    .whereIn('id', ids)
    .update({ wake_at: database.knex.raw('kilonova_now()') });
  await ended(ids, ['done']);
  expect([runs, ...notes]).toEqual([2, 'one a']);
});

test('a step that never has anything to do is given up at the deadline, and what was done before it is taken back', async () => {
  const never = { run: async (batch: readonly { id: string }[]) => new Map(batch.map(({ id }) => [id, { waitMs: 5 }])) };
  const { run, ended } = await anEngine(toy.local('one', note('one')).local('never', never));
  await ended(await run(['a'], 100), ['failed']);
  expect(notes).toEqual(['one a', 'no one a']);
});

test('a task is made in the newest version that every living conductor knows', () => {
  const [first, second] = [toy.local('one', note('one')), new Task<ToyParams, object>('toy', 2, 1).local('two', note('two'))];
  const fresh = new Task<ToyParams, object>('fresh', 1, 1).local('one', note('one'));
  const definitions = new Definitions([first, second, fresh]);
  expect([0, 1, 2].map((minor) => definitions.known('toy', minor)?.version)).toEqual([1, 2, 2]);
  expect([0, 1].map((minor) => definitions.known('fresh', minor))).toEqual([undefined, fresh]);
  expect(definitions.get('toy', 1)).toBe(first);
});

test('a task that every conductor knew when it was decided on is made, although one of before has come since', async () => {
  let minor = 1;
  const { run, ended } = await anEngine(new Task<ToyParams, object>('toy', 1, 1).local('one', note('one')), { minor: () => minor });
  expect(engine.knows('toy')).toBe(true);
  minor = 0;
  expect(engine.knows('toy')).toBe(false);
  await ended(await run(['a']), ['done']);
});

/** Asks twice: what the first answer was used for leads back to the question. */
const askTwice = (ask: () => Promise<unknown>): Toy =>
  toy.call('ask', { ask }).local('use', {
    run: async (batch) => {
      notes.push(...batch.map(({ outputs }) => `used ${String(outputs['ask'])}`));
      return new Map(
        batch.map(({ id, outputs }) => [id, outputs['use'] === undefined ? { goTo: 'ask', output: 'once' } : { output: 'twice' }]),
      );
    },
  });

test('an answer whose use was committed without an answer is not used for the next question', async () => {
  let asked = 0;
  const life = mortal(database.knex);
  const { run, ended } = await anEngine(
    askTwice(async () => {
      asked += 1;
      if (asked === 1) life.arm(1, 'is committed without an answer');
      return asked;
    }),
    { knex: life.database },
  );
  await ended(await run(['a']), ['done']);
  expect(life.met()).toBe(true);
  expect(notes).toEqual(['used 1', 'used 2']);
});

test('an answer that comes after the lease was lost is not used for what the task asks by then', async () => {
  const answers: ((answer: string) => void)[] = [];
  const { run, ended } = await anEngine(
    askTwice(() => new Promise((answer) => answers.push(answer))),
    { changes: { leaseRenewMs: 20, adoptMs: 20 } },
  );
  const ids = await run(['a']);
  await expect.poll(() => answers.length).toBe(1);
  await database.knex('conductors').delete();
  await expect.poll(() => answers.length, { timeout: 5_000 }).toBe(2);
  answers[1]!('second');
  await expect.poll(() => answers.length).toBe(3);
  answers[0]!('first');
  await systemClock.sleep(50);
  answers[2]!('third');
  await ended(ids, ['done']);
  expect(notes).toEqual(['used second', 'used third']);
});

test('what was asked for a task that ended elsewhere meanwhile is not kept', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  let answer: (() => void) | undefined;
  let answered: WeakRef<object> | undefined;
  const { run } = await anEngine(
    toy
      .call('ask', {
        ask: async () => {
          await new Promise<void>((settle) => (answer = settle));
          const found = { hosts: ['h1'] };
          answered = new WeakRef(found);
          return found;
        },
      })
      .local('use', note('use')),
  );
  const ids = await run(['a']);
  await expect.poll(() => answer).toBeDefined();
  await database.knex('tasks').whereIn('id', ids).update({ state: 'failed', owner: null, owner_epoch: null, finished_at: new Date() });
  answer!();
  await expect.poll(() => answered).toBeDefined();
  await expect.poll(() => engine.inHand).toBe(0);
  await expect
    .poll(() => {
      collect();
      return answered!.deref();
    })
    .toBeUndefined();
  expect(notes).toEqual([]);
});
