/**
 * Deletes an instance that has a host: the host removes it, and then it is gone. A host that cannot, or says nothing until
 * the deadline, keeps what is left as its cleanup; the instance is gone all the same.
 */
import { RemoveOperation } from '@kilonova/objects';
import { finishEvents } from '../db/action-events.ts';
import { release } from '../db/claims.ts';
import { leaveBehind, leaveOthersBehind } from '../db/cleanups.ts';
import type { Transaction } from '../db/connection.ts';
import { lockInstances } from '../db/instance-changes.ts';
import { releaseUsage } from '../db/quota-usages.ts';
import { closeMigrations } from '../db/server-migrations.ts';
import { type Batch, type ReportOutcome, type StepContext, Task, type TaskItem } from './engine/definition.ts';
import { deleteEnd, endInstances } from './instance-endings.ts';
import { type OnHost, orderOf, say } from './orders.ts';
import type { TaskServices } from './services.ts';

export type DeleteParams = OnHost;

const outcomeOf = ({ outputs }: TaskItem<DeleteParams>) => outputs['removed'] as ReportOutcome | undefined;

export const deleteInstance = new Task<DeleteParams, TaskServices>('delete-instance', 1)
  .cast('askRemove', {
    to: ({ params }) => params.host,
    send: (orders, services) =>
      say(orders, services, (order, host) => host.remove(orderOf(new RemoveOperation(), order), { requestId: order.item.requestId })),
  })
  .awaitReport('removed', {
    deadlineMs: ({ config }) => config.deleteDeadlineMs,
    downMs: ({ config }) => config.deleteOnDownHostMs,
    onFailure: 'goOn',
  })
  .local('finish', { run: finish })
  .unwound(finish);

async function finish(batch: Batch<DeleteParams>, trx: Transaction, context: StepContext<TaskServices>): Promise<void> {
  const ownerOf = ({ instanceUuid, params }: TaskItem<DeleteParams>) => ({
    instanceUuid: instanceUuid!,
    host: params.host,
    generation: params.generation,
  });
  const instances = await lockInstances(
    trx,
    batch.map(({ instanceUuid }) => instanceUuid!),
  );
  context.atEnd(releaseUsage, await endInstances(trx, [...instances.values()]));
  await finishEvents(
    trx,
    batch.map(({ instanceUuid, requestId }) => deleteEnd(instanceUuid!, requestId)),
  );

  const removed = batch.filter((item) => outcomeOf(item)?.outcome === 'done');
  const left = batch.filter((item) => outcomeOf(item)?.outcome !== 'done');
  await leaveBehind(
    trx,
    left.map((item) => ({
      ...ownerOf(item),
      requestId: item.requestId,
      undoes: null,
      reason: outcomeOf(item)?.failure?.message ?? item.failure?.message ?? '',
    })),
  );
  // A move that was open, or waited for its confirmation, leaves something on its other host.
  const moved = batch.filter(({ instanceUuid }) => (instances.get(instanceUuid!)?.lastGeneration ?? 0) > 1);
  await leaveOthersBehind(
    trx,
    moved.map((item) => ({ ...ownerOf(item), requestId: item.requestId, reason: 'the server was deleted' })),
  );
  await closeMigrations(
    trx,
    moved.map(({ instanceUuid }) => instanceUuid!),
  );
  const touched = await release(trx, removed.map(ownerOf));
  context.afterCommit(() => {
    context.services.publisher.hostsTouched(touched);
    if (left.length + moved.length > 0) context.services.cleaner.ring();
  });
}
