/** Start, stop and reboot: an order to the host, and the state that its answer stands for. Nothing to take back. */
import type { PowerState, TaskState, VmState } from '@kilonova/objects';
import { type DomainSpec, PowerOperation, RebootOperation } from '@kilonova/objects';
import { finishEvents } from '../db/action-events.ts';
import type { Transaction } from '../db/connection.ts';
import { changeInstances, type InstanceChange } from '../db/instance-changes.ts';
import { readDomainSpecs } from '../db/placement.ts';
import { type Batch, type Failure, type Order, type ReportOutcome, type StepContext, Task, type TaskItem } from './engine/definition.ts';
import type { NewTask } from './engine/new-task.ts';
import type { MoveParams } from './moves/move.ts';
import { type OnHost, orderOf, say } from './orders.ts';
import type { TaskServices } from './services.ts';

export interface PowerParams extends OnHost {
  /** Of reboot: soft or hard. */
  readonly type?: 'soft' | 'hard';
}

interface PowerVerb {
  readonly kind: string;
  readonly event: string;
  readonly send: (orders: readonly Order<PowerParams>[], services: TaskServices) => Promise<void>;
  /** As it is when the host did it. */
  readonly reached: { readonly vmState: VmState; readonly powerState: PowerState };
  /** While the host works; when not said, as the request left it. */
  readonly taskState?: (params: PowerParams) => TaskState;
}

const powerTask = ({ kind, event, send, reached, taskState }: PowerVerb) =>
  new Task<PowerParams, TaskServices>(kind, 1)
    .local('begin', {
      run: async (batch, trx) => {
        if (taskState !== undefined)
          await changeInstances(
            trx,
            batch.map(({ instanceUuid, params }) => ({ uuid: instanceUuid!, taskState: taskState(params) })),
          );
      },
    })
    .cast('ask', { to: ({ params }) => params.host, send })
    .awaitReport('answered', { deadlineMs: ({ config }) => config.powerDeadlineMs, onFailure: 'unwind' })
    .local('finish', {
      run: async (batch, trx) => {
        const powerOf = (item: TaskItem<PowerParams>) =>
          ((item.outputs['answered'] as ReportOutcome).power || reached.powerState) as PowerState;
        await changeInstances(
          trx,
          batch.map((item) => ({ uuid: item.instanceUuid!, vmState: reached.vmState, taskState: null, powerState: powerOf(item) })),
        );
        await finishEvents(
          trx,
          batch.map(({ instanceUuid, requestId }) => ({ instanceUuid: instanceUuid!, requestId, event, failure: null })),
        );
      },
    })
    .unwound((batch, trx, context) => unwound(event, batch, trx, context));

export const startInstance = powerTask({
  kind: 'start-instance',
  event: 'compute_start_instance',
  reached: { vmState: 'active', powerState: 1 },
  send: (orders, services) =>
    say(orders, services, (order, host) => host.powerOn(orderOf(new PowerOperation(), order), { requestId: order.item.requestId })),
});

export const stopInstance = powerTask({
  kind: 'stop-instance',
  event: 'compute_stop_instance',
  reached: { vmState: 'stopped', powerState: 4 },
  send: (orders, services) =>
    say(orders, services, (order, host) => {
      const operation = Object.assign(orderOf(new PowerOperation(), order), { graceMs: services.config.shutdownGraceMs });
      return host.powerOff(operation, { requestId: order.item.requestId });
    }),
});

export const rebootInstance = powerTask({
  kind: 'reboot-instance',
  event: 'compute_reboot_instance',
  reached: { vmState: 'active', powerState: 1 },
  taskState: ({ type }) => (type === 'hard' ? 'reboot_started_hard' : 'reboot_started'),
  send: sendReboot,
});

/** A hard one says what the server is: whatever an unfinished change left of it on the host becomes that. */
async function sendReboot(orders: readonly Order<PowerParams>[], services: TaskServices): Promise<void> {
  const hard = orders.filter(({ item }) => item.params.type === 'hard').map(({ item }) => item.instanceUuid!);
  const specs = hard.length === 0 ? new Map<string, DomainSpec>() : await readDomainSpecs(services.knex, hard);
  await say(orders, services, (order, host) => {
    const { type = 'soft', generation } = order.item.params;
    const spec = specs.get(order.item.instanceUuid!);
    const operation = Object.assign(orderOf(new RebootOperation(), order), {
      kind: type,
      graceMs: type === 'soft' ? services.config.shutdownGraceMs : 0,
      spec: spec?.generation === generation ? spec : null,
    });
    return host.reboot(operation, { requestId: order.item.requestId });
  });
}

/**
 * It did not work: the event says why and the server may be acted upon again, in the state that the host named, if it
 * named one. Cancelled: what was asked instead begins.
 */
async function unwound(event: string, batch: Batch<PowerParams>, trx: Transaction, context: StepContext<TaskServices>): Promise<void> {
  const failed = batch.filter(({ cancel }) => cancel === null);
  await changeInstances(
    trx,
    failed.map((item): InstanceChange => ({ uuid: item.instanceUuid!, taskState: null, ...shown(item) })),
  );
  await finishEvents(
    trx,
    batch.map(({ instanceUuid, requestId, failure }) => ({ instanceUuid: instanceUuid!, requestId, event, failure: failureText(failure) })),
  );
  for (const item of batch) if (item.cancel !== null) context.follow(instead(item, context.services));
}

const failureText = (failure: Failure | null) => ({
  message: failure?.message ?? '',
  ...(failure?.details !== undefined && { details: failure.details }),
});

const shown = ({ outputs }: TaskItem<PowerParams>): Partial<InstanceChange> => {
  const power = (outputs['answered'] as ReportOutcome | undefined)?.power;
  if (power === 1) return { vmState: 'active', powerState: 1 };
  if (power === 4 || power === 6) return { vmState: 'stopped', powerState: power };
  return {};
};

/** What a cancelled task makes room for. */
export function instead({ instanceUuid, params, cancel }: TaskItem<OnHost>, { random, config }: TaskServices): NewTask {
  const { host, generation } = params;
  const task = { id: random.uuid(), instanceUuid, requestId: cancel!.requestId };
  if (cancel!.kind === 'reboot')
    return { ...task, kind: 'reboot-instance', params: { host, generation, type: 'hard' }, deadlineMs: config.powerDeadlineMs };
  if (cancel!.kind === 'evacuate')
    return { ...task, kind: 'evacuate-instance', params: cancel!['params'] as MoveParams, deadlineMs: Number(cancel!['deadlineMs']) };
  return {
    ...task,
    kind: 'delete-instance',
    params: { host, generation },
    deadlineMs: Number(cancel!['deadlineMs'] ?? config.deleteDeadlineMs),
  };
}
