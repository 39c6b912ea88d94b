/**
 * Accepts an action on a server: scope, lock and state are judged and the state that shows it is set in one transaction,
 * which also writes the task. Whatever runs already is not waited for: a delete (and a hard reboot) takes its task over.
 */
import { type ActionRule, type ActOnServer, failure, serverActions, type ServerActionName, type TaskState } from '@kilonova/objects';
import { Empty } from '@kilonova/rpc';
import { refuseUnlessAllowed } from '../admission/action-rules.ts';
import { addActions, finishEvents } from '../db/action-events.ts';
import type { Transaction } from '../db/connection.ts';
import { changeInstances, lockInstances } from '../db/instance-changes.ts';
import { hostIsUp } from '../db/hosts-up.ts';
import { isUuid } from '../db/rows.ts';
import * as tasks from '../db/tasks.ts';
import { refuseIfDenied } from '../handlers/scopes.ts';
import type { Services } from '../services.ts';
import { actionOf, type Begun, record } from './acceptance.ts';
import { DELETE_EVENT, deleteEnd, endInstances } from './instance-endings.ts';
import { abortMigration, acceptRevert, confirmResize, forceCompletion } from './moves/accept-ending.ts';
import { acceptEvacuation, acceptLiveMigration, acceptMigrate, acceptResize, settleOpen } from './moves/accept-move.ts';
import { countAs } from './moves/counting.ts';
import type { PowerParams } from './power.ts';

/**
 * @throws ServerNotFound, PolicyDenied, ServerLocked, ServerStateConflict, ServerNotReady, ServerBusy, InvalidInput
 */
export async function actOnServer(services: Services, request: ActOnServer): Promise<Empty> {
  const { knex, engine, config } = services;
  if (!isUuid(request.uuid)) throw notFound(request.uuid);
  for (let retries = 0; ; retries += 1) {
    const woken = await knex.transaction((trx) => accept(services, trx, request));
    if (woken !== 'again') {
      engine.wake(woken);
      return new Empty();
    }
    // It got a task between the two looks at it.
    if (retries >= config.conductor.raceRetries) throw failure('ServerBusy', `Instance ${request.uuid} is busy.`);
  }
}

const notFound = (uuid: string) => failure('ServerNotFound', `Instance ${uuid} could not be found.`);

async function accept(services: Services, trx: Transaction, request: ActOnServer): Promise<readonly string[] | 'again'> {
  const { uuid, scope, action, options } = request;
  const live = await tasks.lockOfInstance(trx, uuid);
  const instance = (await lockInstances(trx, [uuid])).get(uuid);
  if (instance === undefined || instance.deletedAt !== null || (!scope.allProjects && instance.projectId !== scope.projectId))
    throw notFound(uuid);
  refuseIfDenied(scope);
  // Locks are taken task first; with the instance locked nobody gives it another one.
  if (live === undefined && (await tasks.hasLive(trx, uuid))) return 'again';
  const rule = ruleOf(action, options);
  refuseUnlessAllowed(rule, instance, scope);
  const begun: Begun = { services, trx, request, instance, live, rule };
  switch (action) {
    case 'lock':
      return change(begun, { locked: true, lockedReason: options['reason'] ?? null });
    case 'unlock':
      return change(begun, { locked: false, lockedReason: null });
    case 'resetState':
      return resetState(begun);
    case 'start':
      return power(begun, 'start-instance', 'powering-on', {});
    case 'stop':
      return power(begun, 'stop-instance', 'powering-off', {});
    case 'reboot':
      return isHard(options)
        ? power(begun, 'reboot-instance', 'rebooting_hard', { type: 'hard' })
        : power(begun, 'reboot-instance', 'rebooting', { type: 'soft' });
    case 'resize':
      return acceptResize(begun);
    case 'migrate':
      return acceptMigrate(begun);
    case 'confirmResize':
      return confirmResize(begun);
    case 'revertResize':
      return acceptRevert(begun);
    case 'liveMigrate':
      return acceptLiveMigration(begun);
    case 'abortMigration':
      return abortMigration(begun);
    case 'forceCompleteMigration':
      return forceCompletion(begun);
    case 'evacuate':
      return acceptEvacuation(begun);
    default:
      return remove(begun);
  }
}

const isHard = (options: ActOnServer['options']) => options['type']?.toUpperCase() === 'HARD';

function ruleOf(action: string, options: ActOnServer['options']): ActionRule {
  const name = action === 'reboot' ? (isHard(options) ? 'rebootHard' : 'rebootSoft') : action;
  const known = Object.keys(serverActions).filter((one) => !one.startsWith('metadata'));
  if (!known.includes(name)) throw failure('InvalidInput', `action: expected one of ${known.join(', ')}, found ${JSON.stringify(action)}`);
  return serverActions[name as ServerActionName];
}

/** Actions that are done by being accepted. */
async function change(
  { trx, request, instance }: Begun,
  to: Omit<Parameters<typeof changeInstances>[1][number], 'uuid'>,
): Promise<readonly string[]> {
  await changeInstances(trx, [{ uuid: instance.uuid, ...to }]);
  await addActions(trx, [actionOf(request, instance, request.action)]);
  return [];
}

/** A resize that waits for its confirmation is confirmed by it: nobody could do it any more. */
async function resetState(begun: Begun): Promise<readonly string[]> {
  const { trx, request, instance } = begun;
  if (instance.vmState === 'resized' && begun.live === undefined) {
    await settleOpen(begun, 'confirmed');
    await countAs(trx, [{ instance, flavor: instance.flavor }]);
  }
  return change(begun, { vmState: request.options['state'] === 'active' ? 'active' : 'error', taskState: null });
}

async function power(begun: Begun, kind: string, taskState: TaskState, more: Pick<PowerParams, 'type'>): Promise<readonly string[]> {
  const { services, trx, request, instance, live, rule } = begun;
  const { uuid, host, generation } = instance;
  if (host === null) throw failure('ServerNotReady', `Instance ${uuid} is not ready`);
  const preempts =
    live !== undefined &&
    more.type === 'hard' &&
    live.cancel === null &&
    ['reboot-instance', 'start-instance', 'stop-instance'].includes(live.kind);
  if (live !== undefined && !preempts)
    throw failure('ServerBusy', `Cannot '${rule.title}' instance ${uuid} while another action on it is not finished`);
  await changeInstances(trx, [{ uuid, taskState }]);
  await record(begun, request.action, rule.event, host);
  if (live !== undefined) {
    await services.engine.cancel(trx, live.id, { kind: 'reboot', requestId: request.scope.requestId });
    return [live.id];
  }
  const id = services.random.uuid();
  const params: PowerParams = { host, generation, ...more };
  await services.engine.createTasks(trx, [
    { id, kind, instanceUuid: uuid, requestId: request.scope.requestId, params, deadlineMs: services.config.conductor.powerDeadlineMs },
  ]);
  return [id];
}

async function remove(begun: Begun): Promise<readonly string[]> {
  const { services, trx, request, instance, live } = begun;
  const { uuid, host, generation } = instance;
  const { requestId } = request.scope;
  const { deleteDeadlineMs, deleteOnDownHostMs } = services.config.conductor;
  if (live?.kind === 'delete-instance' || live?.cancel?.kind === 'delete') return []; // under way already
  await record(begun, 'delete', DELETE_EVENT, host);
  if (live === undefined && host === null) {
    await endInstances(trx, [instance]);
    await finishEvents(trx, [deleteEnd(uuid, requestId)]);
    return [];
  }
  await changeInstances(trx, [{ uuid, taskState: 'deleting' }]);
  const deadlineMs = host !== null && (await hostIsUp(trx, host)) ? deleteDeadlineMs : deleteOnDownHostMs;
  if (live !== undefined) {
    await services.engine.cancel(trx, live.id, { kind: 'delete', requestId, deadlineMs });
    return [live.id];
  }
  const id = services.random.uuid();
  await services.engine.createTasks(trx, [
    { id, kind: 'delete-instance', instanceUuid: uuid, requestId, params: { host, generation }, deadlineMs },
  ]);
  return [id];
}
