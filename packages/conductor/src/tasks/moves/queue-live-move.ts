/**
 * What comes before a live migration: it is looked whether it can work at all, and it waits until its host has a place for
 * it. The move itself is another task, so that waiting takes nothing of its time.
 */
import { hostSigns } from '../../db/hosts-up.ts';
import type { Transaction } from '../../db/connection.ts';
import { changeInstances, lockInstances } from '../../db/instance-changes.ts';
import { lockLiveQueues } from '../../db/live-queue.ts';
import { changeMigrations } from '../../db/server-migrations.ts';
import { type StepContext, Task, type Verdict } from '../engine/definition.ts';
import { instead } from '../power.ts';
import type { TaskServices } from '../services.ts';
import { obstacleOf } from './live-checks.ts';
import { liveWords } from './live-move.ts';
import { failEvents, type MoveBatch, type MoveItem, type MoveParams, uuidsOf } from './move.ts';
import { decidePlaces, offerPlaces, queueWaitMs } from './places.ts';

export const QUEUE_KIND = 'queue-live-move';

/** Since minor 1: older conductors know neither the task nor the status `queued`. */
export const queueLiveMove = new Task<MoveParams, TaskServices>(QUEUE_KIND, 1, 1).local('takePlace', { run: takePlace }).unwound(unwound);

async function takePlace(batch: MoveBatch, trx: Transaction, context: StepContext<TaskServices>): Promise<ReadonlyMap<string, Verdict>> {
  const { config, random } = context.services;
  const instances = await lockInstances(trx, uuidsOf(batch));
  const signs = await hostSigns(
    trx,
    batch.flatMap(({ params: { host, wantedHost } }) => [host, ...(wantedHost === null ? [] : [wantedHost])]),
  );
  const queues = await lockLiveQueues(
    trx,
    [...new Set(batch.map(({ params }) => params.host))],
    batch.map(({ params }) => params.migrationUuid),
  );
  const { granted, ahead } = decidePlaces(queues, config.maxConcurrentLiveMigrations);
  const fresh = new Set(queues.waiting.filter(({ status }) => status === 'accepted').map(({ uuid }) => uuid));

  const verdictOf = (item: MoveItem): Verdict => {
    const { params, instanceUuid } = item;
    const instance = instances.get(instanceUuid!);
    const stays = instance?.deletedAt === null && instance.host === params.host && instance.generation === params.generation;
    if (!stays) return { failed: { message: 'The server changed meanwhile.' } };
    const begins = granted.has(params.migrationUuid);
    if (!begins && !ahead.has(params.migrationUuid)) return { failed: { message: 'The migration was ended meanwhile.' } };
    // What a host that is down for a moment would spoil is looked at when it matters.
    const obstacle = begins || fresh.has(params.migrationUuid) ? obstacleOf({ ...params, instanceUuid: instanceUuid! }, signs) : undefined;
    if (obstacle !== undefined) return { failed: { message: obstacle.message } };
    return begins ? { output: true } : { waitMs: queueWaitMs(ahead.get(params.migrationUuid)!, config.liveQueueLookMs) };
  };
  const verdicts = new Map(batch.map((item) => [item.id, verdictOf(item)]));
  const begun = batch.filter(({ id }) => 'output' in verdicts.get(id)!);
  const queued = batch.filter(({ id, params }) => 'waitMs' in verdicts.get(id)! && fresh.has(params.migrationUuid));
  await changeMigrations(trx, [
    ...begun.map(({ params }) => ({ uuid: params.migrationUuid, status: 'preparing' as const })),
    ...queued.map(({ params }) => ({ uuid: params.migrationUuid, status: 'queued' as const })),
  ]);
  for (const { instanceUuid, requestId, params } of begun)
    context.follow({ id: random.uuid(), kind: liveWords.kind, instanceUuid, requestId, params, deadlineMs: config.moveDeadlineMs });
  // A place that is for one before these: it may not know yet.
  const own = new Set(batch.map(({ params }) => params.migrationUuid));
  offerPlaces(
    queues.waiting.filter(({ uuid }) => granted.has(uuid) && !own.has(uuid)).map(({ host }) => host),
    context,
  );
  return verdicts;
}

/** It stays where it is: nobody touched it. */
async function unwound(batch: MoveBatch, trx: Transaction, context: StepContext<TaskServices>): Promise<void> {
  await failEvents(trx, batch, liveWords);
  await changeInstances(
    trx,
    batch
      .filter(({ cancel }) => cancel === null || cancel.kind === 'abort')
      .map(({ instanceUuid }) => ({ uuid: instanceUuid!, taskState: null })),
  );
  await changeMigrations(
    trx,
    batch.map(({ params, cancel }) => ({
      uuid: params.migrationUuid,
      status: cancel === null ? ('error' as const) : ('cancelled' as const),
    })),
  );
  for (const item of batch) if (item.cancel !== null && item.cancel.kind !== 'abort') context.follow(instead(item, context.services));
  offerPlaces(
    batch.map(({ params }) => params.host),
    context,
  );
}
