import type { ActionRule, ActOnServer } from '@kilonova/objects';
import { addActions, startEvents } from '../db/action-events.ts';
import type { Transaction } from '../db/connection.ts';
import type { InstanceRow } from '../db/instance-changes.ts';
import type { TaskRow } from '../db/tasks.ts';
import type { Services } from '../services.ts';

/** An action that is allowed by scope, lock and state, in the transaction that accepts it. */
export interface Begun {
  readonly services: Services;
  readonly trx: Transaction;
  readonly request: ActOnServer;
  /** Locked. */
  readonly instance: InstanceRow;
  /** Its live task, locked. */
  readonly live: TaskRow | undefined;
  readonly rule: ActionRule;
}

/** The ids of tasks to be woken after the commit. */
export type Woken = readonly string[];

/** The instance action of a request. */
export const actionOf = ({ scope }: ActOnServer, { uuid }: Pick<InstanceRow, 'uuid'>, action: string) => ({
  instanceUuid: uuid,
  requestId: scope.requestId,
  action,
  projectId: scope.projectId,
  userId: scope.userId,
});

/** Writes the action and its first event, which goes on. */
export async function record(
  { trx, request, instance }: Pick<Begun, 'trx' | 'request' | 'instance'>,
  action: string,
  event: string,
  host: string | null,
): Promise<void> {
  await addActions(trx, [actionOf(request, instance, action)]);
  await startEvents(trx, [{ instanceUuid: instance.uuid, requestId: request.scope.requestId, event, host }]);
}
