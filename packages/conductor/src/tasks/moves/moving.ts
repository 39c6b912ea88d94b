/**
 * One move of an instance from its host to another, cold (for a resize or a migration) or live, driven from here: hosts
 * never talk to each other. The source is the owner until the destination said that it has the guest; the commit of that
 * report makes the destination the owner. Until then everything is taken back by removing what the destination got and
 * letting the source go on.
 */
import { FinishIncomingOperation, MigrateOutOperation, type PowerState, PrepareIncomingOperation } from '@kilonova/objects';
import { finishEvents, startEvents } from '../../db/action-events.ts';
import type { Transaction } from '../../db/connection.ts';
import { hostIsUp } from '../../db/hosts-up.ts';
import { changeInstances } from '../../db/instance-changes.ts';
import { readDomainSpecs } from '../../db/placement.ts';
import { changeMigrations, readMigrations } from '../../db/server-migrations.ts';
import { type Order, type StepContext, StepFailed, Task, type Verdict } from '../engine/definition.ts';
import { orderOf, say } from '../orders.ts';
import type { TaskServices } from '../services.ts';
import { claimDestination, selectDestination } from './destination.ts';
import {
  destinationOf,
  type MoveBatch,
  type MoveItem,
  type MoveParams,
  type MoveWords,
  outcomeOf,
  runsIn,
  staysOnHost,
  textOf,
  wasSent,
} from './move.ts';
import { sendInPlace, sendStop } from './resize-in-place.ts';
import { endArrived, leaveDestination } from './sides.ts';
import { endingOf, unwoundMove } from './unwound-move.ts';

/** Up to where the source has sent what there is. */
const sending = (words: MoveWords, version: number, since: number): Task<MoveParams, TaskServices> =>
  new Task<MoveParams, TaskServices>(words.kind, version, since)
    .call('select', { ask: ({ item, services, signal }) => selectDestination(item, services, signal) })
    .local('claim', { run: (batch, trx, context) => claimDestination(words, batch, trx, context) })
    .cast('askPrepare', {
      to: (item) => destinationOf(item).host,
      send: sendPrepare,
      // A resize in place would remove the guest itself, and a destination that is still asked may run it.
      undo: (batch, trx, context) =>
        leaveDestination(
          'askPrepare',
          batch.filter((item) => !staysOnHost(item) && endingOf(trx, item, words, context.services) !== 'ask on'),
          trx,
          context,
        ),
    })
    .awaitReport('prepared', { deadlineMs: ({ config }) => config.moveStepDeadlineMs, onFailure: 'unwind' })
    .local('startTransfer', { run: (batch, trx) => startTransfer(words, batch, trx) })
    .cast('askTransfer', { to: ({ params }) => params.host, send: (orders, services) => sendTransfer(words, orders, services) })
    // A live guest that nobody answers for may be on either side: then the destination is asked.
    .awaitReport('transferred', { deadlineMs: ({ config }) => config.transferDeadlineMs, onFailure: words.live ? 'goOn' : 'unwind' });

/** From where the destination is to finish. */
const finishing = (words: MoveWords, sent: Task<MoveParams, TaskServices>): Task<MoveParams, TaskServices> =>
  sent
    .local('startFinish', { run: (batch, trx) => startFinish(words, batch, trx) })
    .cast('askFinish', { to: (item) => destinationOf(item).host, send: (orders, services) => sendFinish(words, orders, services) })
    .awaitReport('finished', { deadlineMs: ({ config }) => config.moveStepDeadlineMs, onFailure: 'unwind' })
    .local('switchOwner', { run: (batch, trx, context) => switchOwner(words, batch, trx, context) })
    .unwound((batch, trx, context) => unwoundMove(words, batch, trx, context));

export const movingTask = (words: MoveWords): Task<MoveParams, TaskServices> => finishing(words, sending(words, 1, 0));

/**
 * Shows that all was sent before the destination is told to go on, and does not tell one that is down: it would be unknown
 * then where the guest runs.
 */
export const movingTaskWithStop = (words: MoveWords): Task<MoveParams, TaskServices> =>
  finishing(
    words,
    sending(words, 2, 1)
      .local('endTransfer', { run: (batch, trx) => endTransfer(words, batch, trx) })
      .call('lookAtDestination', { ask: ({ item, services }) => refuseDownDestination(item, services) }),
  );

/** Specs for the destination, of those instances whose owner is still the source. */
async function specsAtDestination(orders: readonly Order<MoveParams>[], { knex }: TaskServices) {
  const uuids = orders.map(({ item }) => item.instanceUuid!);
  const as = new Map(
    orders.map(({ item }) => [item.instanceUuid!, { generation: destinationOf(item).generation, flavor: item.params.flavor }]),
  );
  return readDomainSpecs(knex, uuids, as);
}

const atDestination = ({ item }: Order<MoveParams>) => destinationOf(item).host;

/** Orders of resizes that stay, and of the others. */
const parted = (orders: readonly Order<MoveParams>[]) =>
  [orders.filter(({ item }) => staysOnHost(item)), orders.filter(({ item }) => !staysOnHost(item))] as const;

async function sendPrepare(all: readonly Order<MoveParams>[], services: TaskServices): Promise<void> {
  const [staying, orders] = parted(all);
  await sendStop(staying, services);
  const specs = await specsAtDestination(orders, services);
  await say(
    orders,
    services,
    (order, host) => {
      const spec = specs.get(order.item.instanceUuid!);
      if (spec === undefined) return Promise.resolve(); // deleted meanwhile
      const operation = Object.assign(orderOf(new PrepareIncomingOperation(), order, destinationOf(order.item)), { spec });
      return host.prepareIncoming(operation, { requestId: order.item.requestId });
    },
    atDestination,
  );
}

/** Every repeat says what was asked of the migration meanwhile. */
async function sendTransfer({ live }: MoveWords, all: readonly Order<MoveParams>[], services: TaskServices): Promise<void> {
  const [staying, orders] = parted(all);
  await sendStop(staying, services);
  const migrations = await readMigrations(
    services.knex,
    orders.map(({ item }) => item.params.migrationUuid),
  );
  await say(orders, services, (order, host) => {
    const migration = migrations.get(order.item.params.migrationUuid);
    const operation = Object.assign(orderOf(new MigrateOutOperation(), order), {
      live,
      destination: outcomeOf(order.item, 'prepared')?.destination ?? '',
      graceMs: services.config.shutdownGraceMs,
      abort: migration?.abortRequested ?? false,
      forceComplete: migration?.completionRequested ?? false,
    });
    return host.migrateOut(operation, { requestId: order.item.requestId });
  });
}

export async function sendFinish({ live }: MoveWords, all: readonly Order<MoveParams>[], services: TaskServices): Promise<void> {
  const [staying, orders] = parted(all);
  const specs = await specsAtDestination(all, services);
  await sendInPlace(staying, specs, services);
  await say(
    orders,
    services,
    (order, host) => {
      const spec = specs.get(order.item.instanceUuid!);
      if (spec === undefined) return Promise.resolve();
      const operation = Object.assign(orderOf(new FinishIncomingOperation(), order, destinationOf(order.item)), {
        ...{ spec, live, running: runsIn(order.item.params.vmState), sent: wasSent(order.item) },
      });
      return host.finishIncoming(operation, { requestId: order.item.requestId });
    },
    atDestination,
  );
}

async function startTransfer(words: MoveWords, batch: MoveBatch, trx: Transaction): Promise<ReadonlyMap<string, Verdict>> {
  const { taskStates, statuses, events } = words;
  await enter(batch, trx, { taskState: taskStates.transfer, status: statuses.transfer, ends: events.prepare });
  await startEvents(
    trx,
    batch.map(({ instanceUuid, requestId, params }) => ({
      ...{ instanceUuid: instanceUuid!, requestId, event: events.transfer, host: params.host },
    })),
  );
  return new Map(batch.map(({ id }) => [id, { output: true }]));
}

async function endTransfer({ taskStates, statuses, events }: MoveWords, batch: MoveBatch, trx: Transaction): Promise<void> {
  await enter(batch, trx, { taskState: taskStates.sent, status: statuses.finish, ends: events.transfer });
}

/** @throws StepFailed */
async function refuseDownDestination(item: MoveItem, { knex }: TaskServices): Promise<boolean> {
  const { host } = destinationOf(item);
  if (!(await hostIsUp(knex, host))) throw new StepFailed({ message: `Compute service of ${host} is unavailable at this time.` });
  return true;
}

async function startFinish(words: MoveWords, batch: MoveBatch, trx: Transaction): Promise<ReadonlyMap<string, Verdict>> {
  const { taskStates, statuses, events } = words;
  // The source answered that it still has the guest: there is nothing to finish.
  const refused = (item: MoveItem) => {
    const transferred = outcomeOf(item, 'transferred');
    return transferred?.outcome === 'failed' && transferred.failure?.unanswered !== true ? transferred.failure : undefined;
  };
  const going = batch.filter((item) => refused(item) === undefined);
  await enter(going, trx, { taskState: taskStates.finish, status: statuses.finish, ends: events.transfer });
  await startEvents(
    trx,
    going.map((item) => ({
      ...{ instanceUuid: item.instanceUuid!, requestId: item.requestId, event: events.finish, host: destinationOf(item).host },
    })),
  );
  return new Map(
    batch.map((item): [string, Verdict] => {
      const failure = refused(item);
      return [item.id, failure === undefined ? { output: true } : { failed: failure ?? { message: 'the source failed' } }];
    }),
  );
}

/** A new stage: what it shows, and the event of the stage before ends: well, unless its host did not answer. */
async function enter(
  batch: MoveBatch,
  trx: Transaction,
  stage: {
    readonly taskState: MoveWords['taskStates']['transfer'];
    readonly status: MoveWords['statuses']['transfer'];
    readonly ends: string;
  },
): Promise<void> {
  await changeInstances(
    trx,
    batch.map(({ instanceUuid }) => ({ uuid: instanceUuid!, taskState: stage.taskState })),
  );
  await changeMigrations(
    trx,
    batch.map((item) => {
      const progress = outcomeOf(item, 'transferred')?.progress;
      return { uuid: item.params.migrationUuid, status: stage.status, ...(progress !== undefined && { progress }) };
    }),
  );
  await finishEvents(
    trx,
    batch.map((item) => {
      const { instanceUuid, requestId } = item;
      const unanswered = outcomeOf(item, 'transferred')?.failure ?? null;
      return { instanceUuid: instanceUuid!, requestId, event: stage.ends, failure: unanswered === null ? null : textOf(unanswered) };
    }),
  );
}

/** The destination has the guest. A cold move keeps what the source has until it is confirmed; a live one does not need it. */
export async function switchOwner(words: MoveWords, batch: MoveBatch, trx: Transaction, context: StepContext<TaskServices>): Promise<void> {
  const powerOf = (item: MoveItem) => (outcomeOf(item, 'finished')?.power || (runsIn(item.params.vmState) ? 1 : 4)) as PowerState;
  await changeInstances(
    trx,
    batch.map((item) => ({
      ...{ uuid: item.instanceUuid!, ...destinationOf(item), taskState: null, powerState: powerOf(item) },
      progress: 0,
      ...(words.live ? { vmState: item.params.vmState } : { vmState: 'resized' as const, launched: true as const }),
      ...(item.params.flavor !== null && { flavor: item.params.flavor }),
    })),
  );
  await endArrived(words, words.live ? 'moved to another host' : null, batch, trx, context);
}
