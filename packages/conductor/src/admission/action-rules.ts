import { failure, type ActionRule, type Scope, type TaskState, type VmState } from '@kilonova/objects';

/** What a rule looks at. */
export interface ServerCondition {
  readonly uuid: string;
  readonly vmState: VmState;
  readonly taskState: TaskState | null;
  readonly locked: boolean;
  readonly host: string | null;
  readonly launchedAt: string | null;
}

/**
 * Whether an action is in order for a server that was found: lock first, then host and states, as the API documents them.
 *
 * @throws ServerLocked, ServerNotReady, ServerStateConflict
 */
export function refuseUnlessAllowed(rule: ActionRule, server: ServerCondition, scope: Pick<Scope, 'admin'>): void {
  const { uuid, vmState, taskState } = server;
  if (rule.refusedWhenLocked && server.locked && !scope.admin) throw failure('ServerLocked', `Instance ${uuid} is locked`);
  if (rule.needsHost && server.host === null) throw failure('ServerNotReady', `Instance ${uuid} is not ready`);
  const conflict = (attribute: string, value: string | null) =>
    failure('ServerStateConflict', `Cannot '${rule.title}' instance ${uuid} while it is in ${attribute} ${value ?? 'None'}`);
  if (rule.vmStates !== null && !rule.vmStates.includes(vmState)) throw conflict('vm_state', vmState);
  if (rule.taskStates !== null && !rule.taskStates.includes(taskState)) throw conflict('task_state', taskState);
  if (rule.launched && server.launchedAt === null)
    throw failure('ServerNotReady', `Cannot '${rule.title}' an instance which has never been active`);
}
