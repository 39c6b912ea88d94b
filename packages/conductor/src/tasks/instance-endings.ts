/** How instances end: in ERROR with a fault, or deleted. Shared by the tasks, always within their transaction. */
import { type EventEnd, finishEvents } from '../db/action-events.ts';
import type { Transaction } from '../db/connection.ts';
import { addFaults, changeInstances, type InstanceRow } from '../db/instance-changes.ts';
import type { UsageChange } from '../db/quota-usages.ts';
import type { Failure } from './engine/definition.ts';

export interface InstanceFailure {
  readonly instanceUuid: string;
  readonly requestId: string;
  /** The running event that failed. */
  readonly event: string;
  readonly failure: Failure;
}

/** ERROR without a host: building came to nothing. */
export async function failInstances(trx: Transaction, failures: readonly InstanceFailure[]): Promise<void> {
  await changeInstances(
    trx,
    failures.map(({ instanceUuid }) => ({ uuid: instanceUuid, vmState: 'error', taskState: null, powerState: 0 })),
  );
  await addFaults(
    trx,
    failures.map(({ instanceUuid, failure }) => ({
      instanceUuid,
      code: failure.code ?? 500,
      message: failure.message,
      details: failure.details ?? '',
    })),
  );
  await finishEvents(trx, failures);
}

/**
 * Deleted: hidden, without owner, and no longer counted, whatever a host may still hold. Those that are deleted already
 * stay as they are. The instances must be locked.
 *
 * @returns what is to be released of quota, behind everything else of the transaction
 */
export async function endInstances(trx: Transaction, instances: readonly InstanceRow[]): Promise<readonly UsageChange[]> {
  const living = instances.filter(({ deletedAt }) => deletedAt === null);
  const ended = new Set(
    await changeInstances(
      trx,
      living.map(({ uuid, host }) => ({
        uuid,
        deleted: true,
        vmState: 'deleted',
        taskState: null,
        powerState: 0,
        ...(host !== null && { host: null, node: null }),
      })),
    ),
  );
  return living
    .filter(({ uuid }) => ended.has(uuid))
    .map(({ projectId, userId, vcpus, memoryMb }) => ({ projectId, userId, instances: 1, cores: vcpus, ram: memoryMb }));
}

/** The event of a delete ends well. */
export const deleteEnd = (instanceUuid: string, requestId: string): EventEnd => ({
  instanceUuid,
  requestId,
  event: DELETE_EVENT,
  failure: null,
});
export const DELETE_EVENT = 'compute_terminate_instance';
