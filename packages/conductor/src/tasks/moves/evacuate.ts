/**
 * Builds an instance anew on another host because its own is down. Whoever asked for it made sure that it does not run
 * there any more; what the dead host still holds becomes its cleanup, done when it comes back.
 */
import { PowerOperation, SpawnOperation } from '@kilonova/objects';
import { startEvents } from '../../db/action-events.ts';
import { moveHosts } from '../../db/claims.ts';
import type { Transaction } from '../../db/connection.ts';
import { addFaults, changeInstances } from '../../db/instance-changes.ts';
import { readDomainSpecs } from '../../db/placement.ts';
import { changeMigrations } from '../../db/server-migrations.ts';
import { mayHaveDone, type Order, type StepContext, Task, type Verdict } from '../engine/definition.ts';
import { orderOf, say } from '../orders.ts';
import type { TaskServices } from '../services.ts';
import { deletion } from './deletion.ts';
import { claimDestination, selectDestination } from './destination.ts';
import { claimOf, destinationOf, failEvents, type MoveBatch, type MoveItem, type MoveParams, type MoveWords, outcomeOf } from './move.ts';
import { endArrived, leaveDestination } from './sides.ts';

export const evacuationWords: MoveWords = {
  kind: 'evacuate-instance',
  live: false,
  events: {
    accept: 'rebuild_server',
    prepare: 'compute_rebuild_instance',
    transfer: 'compute_rebuild_instance',
    finish: 'compute_rebuild_instance',
  },
  statuses: { prepare: 'pre-migrating', transfer: 'pre-migrating', finish: 'pre-migrating', end: 'done' },
  taskStates: { prepare: 'rebuild_spawning', transfer: 'rebuild_spawning', sent: 'rebuild_spawning', finish: 'rebuild_spawning' },
};

export const evacuateInstance = new Task<MoveParams, TaskServices>(evacuationWords.kind, 1)
  .call('select', { ask: ({ item, services, signal }) => selectDestination(item, services, signal) })
  .local('claim', { run: (batch, trx, context) => claimDestination(evacuationWords, batch, trx, context) })
  .cast('askSpawn', {
    to: (item) => destinationOf(item).host,
    send: sendSpawn,
    undo: (batch, trx, context) => leaveDestination('askSpawn', batch, trx, context),
  })
  .awaitReport('spawned', { deadlineMs: ({ config }) => config.buildDeadlineMs, onFailure: 'unwind' })
  .local('decidePower', {
    run: async (batch) =>
      new Map(batch.map((item): [string, Verdict] => [item.id, item.params.stopped === true ? { output: 1 } : { goTo: 'switchOwner' }])),
  })
  .cast('askStop', {
    to: (item) => destinationOf(item).host,
    send: (orders, services) =>
      say(
        orders,
        services,
        (order, host) =>
          host.powerOff(orderOf(new PowerOperation(), order, destinationOf(order.item)), { requestId: order.item.requestId }),
        atDestination,
      ),
  })
  .awaitReport('stopped', { deadlineMs: ({ config }) => config.powerDeadlineMs, onFailure: 'goOn' })
  .local('switchOwner', { run: switchOwner })
  .unwound(unwound);

const atDestination = ({ item }: Order<MoveParams>) => destinationOf(item).host;

async function sendSpawn(orders: readonly Order<MoveParams>[], services: TaskServices): Promise<void> {
  const as = new Map(orders.map(({ item }) => [item.instanceUuid!, { generation: destinationOf(item).generation, flavor: null }]));
  const specs = await readDomainSpecs(services.knex, [...as.keys()], as);
  await say(
    orders,
    services,
    (order, host) => {
      const spec = specs.get(order.item.instanceUuid!);
      if (spec === undefined) return Promise.resolve(); // deleted meanwhile
      const operation = Object.assign(orderOf(new SpawnOperation(), order, destinationOf(order.item)), { spec });
      return host.spawn(operation, { requestId: order.item.requestId });
    },
    atDestination,
  );
}

async function switchOwner(batch: MoveBatch, trx: Transaction, context: StepContext<TaskServices>): Promise<void> {
  const stopped = (item: MoveItem) => outcomeOf(item, 'stopped')?.outcome === 'done';
  await changeInstances(
    trx,
    batch.map((item) => ({
      ...{ uuid: item.instanceUuid!, ...destinationOf(item), taskState: null, launched: true },
      ...{ vmState: stopped(item) ? 'stopped' : 'active', powerState: stopped(item) ? 4 : 1 },
    })),
  );
  await endArrived(evacuationWords, 'evacuated to another host', batch, trx, context);
}

/** Deleted if that was asked for, else the next host, else ERROR: its own host is down. */
async function unwound(batch: MoveBatch, trx: Transaction, context: StepContext<TaskServices>): Promise<void> {
  const { random, config, publisher } = context.services;
  const goesOn = (item: MoveItem) =>
    item.cancel === null &&
    !mayHaveDone(item.failure) &&
    item.params.attempt < config.maxAttempts &&
    item.params.wantedHost === null &&
    claimOf(item)?.destination !== undefined;
  const failed = batch.filter((item) => item.cancel === null && !goesOn(item));
  await failEvents(trx, batch, evacuationWords);
  await changeMigrations(
    trx,
    batch.filter((item) => !goesOn(item)).map(({ params }) => ({ uuid: params.migrationUuid, status: 'error' })),
  );
  await changeInstances(
    trx,
    failed.map(({ instanceUuid }) => ({ uuid: instanceUuid!, vmState: 'error', taskState: null })),
  );
  await addFaults(
    trx,
    failed.map(({ instanceUuid, failure }) => ({
      ...{ instanceUuid: instanceUuid!, code: failure?.code ?? 500, message: failure?.message ?? '', details: failure?.details ?? '' },
    })),
  );
  const retried = batch.filter(goesOn);
  await startEvents(
    trx,
    retried.map(({ instanceUuid, requestId }) => ({
      ...{ instanceUuid: instanceUuid!, requestId, event: evacuationWords.events.accept, host: null },
    })),
  );
  for (const item of retried) {
    const { instanceUuid, requestId, params, failure } = item;
    const host = { host: claimOf(item)!.destination!.host, message: failure?.message ?? 'unknown' };
    const next: MoveParams = { ...params, attempt: params.attempt + 1, failures: [...params.failures, host] };
    context.follow({
      ...{ id: random.uuid(), kind: evacuationWords.kind, instanceUuid, requestId, params: next, deadlineMs: config.buildDeadlineMs },
    });
  }
  for (const item of batch) if (item.cancel !== null) context.follow(deletion(item, item.params, context.services));
  const touched = await moveHosts(
    trx,
    batch
      .map((item) => claimOf(item)?.destination)
      .filter((destination) => destination !== undefined)
      .map(({ host }) => ({ host, ioOps: -1 })),
  );
  context.afterCommit(() => publisher.hostsTouched(touched));
}
