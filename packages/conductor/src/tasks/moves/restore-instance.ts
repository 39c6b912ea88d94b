/** After a move that came to nothing: the owner takes back what it still has, and goes on as before. */
import { TakeBackOperation, type VmState } from '@kilonova/objects';
import type { Transaction } from '../../db/connection.ts';
import { addFaults, changeInstances } from '../../db/instance-changes.ts';
import { readDomainSpecs } from '../../db/placement.ts';
import { type Batch, type StepContext, Task } from '../engine/definition.ts';
import { type OnHost, orderOf, say } from '../orders.ts';
import type { TaskServices } from '../services.ts';
import { deletion } from './deletion.ts';
import { outcomeOf } from './move.ts';

export interface RestoreParams extends OnHost {
  /** As it shall be shown afterwards. */
  readonly vmState: VmState;
  readonly running: boolean;
}

export const restoreInstance = new Task<RestoreParams, TaskServices>('restore-instance', 1)
  .cast('askTakeBack', {
    to: ({ params }) => params.host,
    send: async (orders, services) => {
      const specs = await readDomainSpecs(
        services.knex,
        orders.map(({ item }) => item.instanceUuid!),
      );
      await say(orders, services, (order, host) => {
        const spec = specs.get(order.item.instanceUuid!);
        if (spec?.generation !== order.item.params.generation) return Promise.resolve();
        const operation = Object.assign(orderOf(new TakeBackOperation(), order), { spec, running: order.item.params.running });
        return host.takeBack(operation, { requestId: order.item.requestId });
      });
    },
  })
  .awaitReport('takenBack', { deadlineMs: ({ config }) => config.moveStepDeadlineMs, onFailure: 'goOn' })
  .local('finish', { run: finish })
  .unwound(finish);

async function finish(batch: Batch<RestoreParams>, trx: Transaction, context: StepContext<TaskServices>): Promise<void> {
  for (const item of batch) if (item.cancel !== null) context.follow(deletion(item, item.params, context.services));
  const left = batch.filter(({ cancel }) => cancel === null);
  const restored = left.filter((item) => outcomeOf(item, 'takenBack')?.outcome === 'done');
  const failed = left.filter((item) => !restored.includes(item));
  await changeInstances(
    trx,
    restored.map(({ instanceUuid, params: { vmState, running } }) => ({
      ...{ uuid: instanceUuid!, vmState, taskState: null, progress: 0, powerState: running ? 1 : 4 },
    })),
  );
  await changeInstances(
    trx,
    failed.map(({ instanceUuid }) => ({ uuid: instanceUuid!, vmState: 'error', taskState: null, progress: 0, powerState: 0 })),
  );
  await addFaults(
    trx,
    failed.map((item) => ({
      instanceUuid: item.instanceUuid!,
      code: 500,
      message: `Host ${item.params.host} could not take the server back: ${outcomeOf(item, 'takenBack')?.failure?.message ?? item.failure?.message ?? ''}`,
      details: outcomeOf(item, 'takenBack')?.failure?.details ?? '',
    })),
  );
}
