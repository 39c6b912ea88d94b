/**
 * Power and delete, of any number of servers in one transaction: what they write is collected and shares its statements. A
 * delete (and a hard reboot) takes over the task that runs already.
 */
import { type ActionRule, type ActOnServer, failure, type TaskState } from '@kilonova/objects';
import { Empty } from '@kilonova/rpc';
import type { Outcome } from '../admission/request-gate.ts';
import { hostsUp } from '../db/hosts-up.ts';
import { type InstanceRow, lockInstances } from '../db/instance-changes.ts';
import * as tasks from '../db/tasks.ts';
import type { Services } from '../services.ts';
import { acceptedBefore, actionOf, checkRule, checkScope, isHard } from './acceptance.ts';
import { ActionWrites } from './action-writes.ts';
import { DELETE_EVENT, deleteEnd } from './instance-endings.ts';
import type { PowerParams } from './power.ts';
import { type GoOn, goOnAfter } from './engine/go-on.ts';
import { unbegun } from './taken-over.ts';

const SIMPLE: ReadonlySet<string> = new Set(['start', 'stop', 'reboot', 'delete', 'forceDelete']);

/** Whether the action can share a transaction with others. */
export const isSimple = ({ action }: ActOnServer): boolean => SIMPLE.has(action);

/** @throws what the database throws; then none was accepted */
export async function acceptTogether(services: Services, requests: readonly ActOnServer[]): Promise<readonly Outcome<Empty>[]> {
  const { knex } = services;
  let begin: GoOn = () => {};
  const commit = knex.transaction(async (trx) => {
    const uuids = [...new Set(requests.map(({ uuid }) => uuid.toLowerCase()))];
    const locked = await tasks.lockOfInstances(trx, uuids);
    const instances = await lockInstances(trx, uuids);
    // Locks are taken task first; with the instances locked nobody gives them others.
    const busy = await tasks.liveOf(trx, uuids);
    const up = await hostsUp(
      trx,
      [...instances.values()].map(({ host }) => host).filter((host) => host !== null),
    );
    const done = await acceptedBefore(trx, requests, instances);
    const writes = new ActionWrites();
    const met = new Set<string>();
    const judged = requests.map((request): Outcome<Empty> => {
      const uuid = request.uuid.toLowerCase();
      const live = locked.get(uuid);
      // One after the other, or it got a task between the two looks at it.
      if (met.has(uuid) || (live === undefined && busy.has(uuid))) return 'again';
      met.add(uuid);
      if (done.has(request)) return { accepted: new Empty() };
      try {
        const instance = checkScope(request, instances.get(uuid));
        const rule = checkRule(request, instance);
        plan({ services, request, instance, live, rule, hostUp: instance.host !== null && up.has(instance.host) }, writes);
        return { accepted: new Empty() };
      } catch (refused) {
        return { refused };
      }
    });
    begin = await writes.write(services, trx);
    return judged;
  });
  return goOnAfter(commit, (answer) => begin(answer));
}

interface Judged {
  readonly services: Services;
  readonly request: ActOnServer;
  readonly instance: InstanceRow;
  /** Its live task, locked. */
  readonly live: tasks.TaskRow | undefined;
  readonly rule: ActionRule;
  /** Its host reports. */
  readonly hostUp: boolean;
}

/** @throws ServerNotReady, ServerBusy; then nothing was added to the writes */
function plan(judged: Judged, writes: ActionWrites): void {
  const { action, options } = judged.request;
  switch (action) {
    case 'start':
      return power(judged, writes, 'start-instance', 'powering-on', {});
    case 'stop':
      return power(judged, writes, 'stop-instance', 'powering-off', {});
    case 'reboot':
      return isHard(options)
        ? power(judged, writes, 'reboot-instance', 'rebooting_hard', { type: 'hard' })
        : power(judged, writes, 'reboot-instance', 'rebooting', { type: 'soft' });
    default:
      return remove(judged, writes);
  }
}

function power(judged: Judged, writes: ActionWrites, kind: string, taskState: TaskState, more: Pick<PowerParams, 'type'>): void {
  const { services, request, instance, live, rule } = judged;
  const { uuid, host, generation } = instance;
  const { requestId } = request.scope;
  if (host === null) throw failure('ServerNotReady', `Instance ${uuid} is not ready`);
  const preempts =
    live !== undefined &&
    more.type === 'hard' &&
    live.cancel === null &&
    ['reboot-instance', 'start-instance', 'stop-instance'].includes(live.kind);
  if (live !== undefined && !preempts)
    throw failure('ServerBusy', `Cannot '${rule.title}' instance ${uuid} while another action on it is not finished`);
  writes.change({ uuid, taskState });
  writes.record(actionOf(request, instance, request.action), { event: rule.event, host });
  if (live !== undefined) return writes.cancel(live.id, { kind: 'reboot', requestId });
  const params: PowerParams = { host, generation, ...more };
  const deadlineMs = services.config.conductor.powerDeadlineMs;
  writes.start({ id: services.random.uuid(), kind, instanceUuid: uuid, requestId, params, deadlineMs });
}

function remove({ services, request, instance, live, hostUp }: Judged, writes: ActionWrites): void {
  const { uuid, host, generation } = instance;
  const { requestId } = request.scope;
  const { deleteDeadlineMs, deleteOnDownHostMs } = services.config.conductor;
  if (live?.kind === 'delete-instance' || live?.cancel?.kind === 'delete') return; // under way already
  writes.record(actionOf(request, instance, 'delete'), { event: DELETE_EVENT, host });
  if (live === undefined && host === null) return writes.end(instance, deleteEnd(uuid, requestId));
  writes.change({ uuid, taskState: 'deleting' });
  const deadlineMs = hostUp ? deleteDeadlineMs : deleteOnDownHostMs;
  if (live !== undefined) {
    const left = live.cancel === null ? undefined : unbegun(uuid, live.cancel);
    if (left !== undefined) writes.giveUp(left);
    return writes.cancel(live.id, { kind: 'delete', requestId, deadlineMs });
  }
  writes.start({
    id: services.random.uuid(),
    kind: 'delete-instance',
    instanceUuid: uuid,
    requestId,
    params: { host, generation },
    deadlineMs,
  });
}
