/**
 * Takes a resize or cold migration back that waits for its confirmation: the destination stops the guest, the source takes
 * back what it kept, and the commit of its report makes it the owner again.
 */
import { type Flavor, PowerOperation, powerState, TakeBackOperation, type VmState } from '@kilonova/objects';
import { finishEvents, startEvents } from '../../db/action-events.ts';
import { regenerate } from '../../db/claims.ts';
import { leaveBehind } from '../../db/cleanups.ts';
import type { Transaction } from '../../db/connection.ts';
import { addFaults, changeInstances, type InstanceRow, lockInstances } from '../../db/instance-changes.ts';
import { releaseUsage } from '../../db/quota-usages.ts';
import { readDomainSpecs } from '../../db/placement.ts';
import { changeMigrations } from '../../db/server-migrations.ts';
import { type Batch, mayHaveDone, type Order, type StepContext, Task, type TaskItem, type Verdict } from '../engine/definition.ts';
import { type OnHost, orderOf, say } from '../orders.ts';
import type { TaskServices } from '../services.ts';
import { type Asking, isOver, nextAsking } from './asking-on.ts';
import { countAs } from './counting.ts';
import { deletion } from './deletion.ts';
import { outcomeOf, runsIn, textOf, uuidsOf } from './move.ts';
import type { RestoreParams } from './restore-instance.ts';

/** `host` and `generation` are the present owner's, which the move went to. */
export interface RevertParams extends OnHost {
  readonly migrationUuid: string;
  readonly source: { readonly host: string; readonly node: string; readonly generation: number };
  readonly oldFlavor: Flavor;
  /** What it was before the move, and is again. */
  readonly vmState: VmState;
  /** Whether the destination runs it at the moment. */
  readonly running: boolean;
  /** The source was told to take it back under this generation, and fell silent: it is asked again, and nothing else. */
  readonly givenBack?: number;
  readonly asking?: Asking;
}

type Item = TaskItem<RevertParams>;
export type RevertBatch = Batch<RevertParams>;

export const REVERT_EVENT = 'compute_revert_resize';
/** The task that goes on asking a source that may have taken the server back. */
export const SETTLE_REVERT = 'settle-revert';
const FINISH_EVENT = 'compute_finish_revert_resize';

/** The generation under which the source has it back; undefined as long as it was not told to. */
const givenBack = ({ params, outputs }: Item): number | undefined =>
  params.givenBack ?? (outputs['giveBack'] as { readonly generation: number } | undefined)?.generation;

const backOf = (item: Item): OnHost => ({ host: item.params.source.host, generation: givenBack(item)! });

export const revertResize = new Task<RevertParams, TaskServices>('revert-resize', 1)
  .cast('askStop', {
    to: ({ params }) => params.host,
    send: (orders, services) =>
      say(orders, services, (order, host) =>
        host.powerOff(Object.assign(orderOf(new PowerOperation(), order), { graceMs: services.config.shutdownGraceMs }), {
          requestId: order.item.requestId,
        }),
      ),
  })
  .awaitReport('stopped', { deadlineMs: ({ config }) => config.powerDeadlineMs, onFailure: 'unwind' })
  .local('giveBack', { run: giveBack })
  .cast('askTakeBack', { to: ({ params }) => params.source.host, send: sendTakeBack })
  .awaitReport('takenBack', { deadlineMs: ({ config }) => config.moveStepDeadlineMs, onFailure: 'unwind' })
  .local('switchBack', { run: switchBack })
  .unwound(unwoundRevert);

/** What the source keeps is its under a generation that is newer than the destination's. */
async function giveBack(batch: RevertBatch, trx: Transaction): Promise<ReadonlyMap<string, Verdict>> {
  const instances = await lockInstances(trx, uuidsOf(batch));
  const given = batch.map((item) => ({ item, generation: (instances.get(item.instanceUuid!)?.lastGeneration ?? 0) + 1 }));
  await regenerate(
    trx,
    given.map(({ item: { instanceUuid, params }, generation }) => ({
      ...{ instanceUuid: instanceUuid!, host: params.source.host, generation: params.source.generation, newGeneration: generation },
    })),
  );
  await changeInstances(
    trx,
    given.map(({ item, generation }) => ({ uuid: item.instanceUuid!, lastGeneration: generation })),
  );
  await changeMigrations(
    trx,
    given.map(({ item, generation }) => ({ uuid: item.params.migrationUuid, sourceGeneration: generation })),
  );
  await endEvents(trx, batch, REVERT_EVENT);
  await startEvents(
    trx,
    batch.map(({ instanceUuid, requestId, params }) => ({
      ...{ instanceUuid: instanceUuid!, requestId, event: FINISH_EVENT, host: params.source.host },
    })),
  );
  return new Map(given.map(({ item, generation }) => [item.id, { output: { generation } }]));
}

export async function sendTakeBack(orders: readonly Order<RevertParams>[], services: TaskServices): Promise<void> {
  const as = new Map(
    orders.map(({ item }) => [item.instanceUuid!, { generation: backOf(item).generation, flavor: item.params.oldFlavor }]),
  );
  const specs = await readDomainSpecs(services.knex, [...as.keys()], as);
  await say(
    orders,
    services,
    (order, host) => {
      const spec = specs.get(order.item.instanceUuid!);
      if (spec === undefined) return Promise.resolve(); // deleted meanwhile
      const running = runsIn(order.item.params.vmState);
      const operation = Object.assign(orderOf(new TakeBackOperation(), order, backOf(order.item)), { spec, running });
      return host.takeBack(operation, { requestId: order.item.requestId });
    },
    ({ item }) => item.params.source.host,
  );
}

export async function switchBack(batch: RevertBatch, trx: Transaction, context: StepContext<TaskServices>): Promise<void> {
  const instances = await lockInstances(trx, uuidsOf(batch));
  await changeInstances(
    trx,
    batch.map((item) => ({
      ...{ uuid: item.instanceUuid!, ...backOf(item), node: item.params.source.node, flavor: item.params.oldFlavor },
      ...{ vmState: item.params.vmState, taskState: null, powerState: runsIn(item.params.vmState) ? 1 : 4, launched: true },
    })),
  );
  await changeMigrations(
    trx,
    batch.map(({ params }) => ({ uuid: params.migrationUuid, status: 'reverted' })),
  );
  await endEvents(trx, batch, FINISH_EVENT);
  await leaveBehind(
    trx,
    batch.map(({ instanceUuid, requestId, params: { host, generation } }) => ({
      ...{ host, generation, instanceUuid: instanceUuid!, requestId, undoes: null, reason: 'the move was reverted' },
    })),
  );
  const freed = await countAs(
    trx,
    batch
      .map((item) => ({ instance: instances.get(item.instanceUuid!), flavor: item.params.oldFlavor }))
      .filter((one): one is { instance: InstanceRow; flavor: Flavor } => one.instance !== undefined),
  );
  context.atEnd(releaseUsage, freed);
  context.afterCommit(() => context.services.cleaner.ring());
}

const endEvents = (trx: Transaction, batch: RevertBatch, event: string, failed = false): Promise<void> =>
  finishEvents(
    trx,
    batch.map(({ instanceUuid, requestId, failure }) => ({
      ...{ instanceUuid: instanceUuid!, requestId, event, failure: failed ? textOf(failure) : null },
    })),
  );

/** How a revert that came to nothing goes on. */
type Ending = 'delete' | 'ask on' | 'stopped' | 'restarted';

function endingOf(item: Item, services: TaskServices): Ending {
  const { cancel, failure, params } = item;
  if (cancel !== null) return 'delete';
  // The source may run it. What it keeps is shut off, so that what runs there was started.
  const { outcome, power = powerState.none } = outcomeOf(item, 'takenBack') ?? {};
  const runs = outcome === 'failed' && power !== powerState.none && power !== powerState.shutdown;
  if ((mayHaveDone(failure) || runs) && givenBack(item) !== undefined) {
    const over = params.asking !== undefined && isOver(services, params.asking);
    return !over && services.knows(SETTLE_REVERT) ? 'ask on' : 'stopped';
  }
  return params.running && outcomeOf(item, 'stopped')?.failure?.unanswered !== true ? 'restarted' : 'stopped';
}

/** It waits for confirmation again, and the destination goes on, unless the source may run it: then that is asked until it answers. */
export async function unwoundRevert(batch: RevertBatch, trx: Transaction, context: StepContext<TaskServices>): Promise<void> {
  const { random, config } = context.services;
  const endings = batch.map((item) => ({ item, ending: endingOf(item, context.services) }));
  const endingIn = (...wanted: readonly Ending[]) => endings.filter(({ ending }) => wanted.includes(ending)).map(({ item }) => item);
  const decided = endingIn('delete', 'stopped', 'restarted');
  await endEvents(trx, decided, REVERT_EVENT, true);
  await endEvents(trx, decided, FINISH_EVENT, true);
  await changeMigrations(
    trx,
    endingIn('stopped', 'restarted').map(({ params }) => ({ uuid: params.migrationUuid, status: 'finished' })),
  );
  await changeInstances(
    trx,
    endingIn('stopped').map((item) => ({
      ...{ uuid: item.instanceUuid!, vmState: 'resized' as const, taskState: null },
      ...(givenBack(item) !== undefined && { powerState: 4 as const }),
    })),
  );
  const asked = endingIn('ask on');
  await changeInstances(
    trx,
    asked.map((item) => ({ uuid: item.instanceUuid!, vmState: 'error' as const, taskState: null, powerState: 0 as const })),
  );
  // Said once: it is still so when the host is asked again.
  await addFaults(
    trx,
    asked
      .filter(({ params }) => params.givenBack === undefined)
      .map(({ instanceUuid, params, failure }) => ({
        ...{ instanceUuid: instanceUuid!, code: 500, details: '' },
        message: `The server may run on host ${params.source.host}: ${failure?.message ?? ''}`,
      })),
  );
  for (const { item, ending } of endings) {
    const same = { instanceUuid: item.instanceUuid, requestId: item.requestId };
    if (ending === 'delete') context.follow(deletion(item, item.params, context.services));
    if (ending === 'ask on') {
      const { deadlineMs, ...asking } = nextAsking(context.services, item.params.asking);
      const params: RevertParams = { ...item.params, givenBack: givenBack(item)!, asking };
      context.follow({ ...same, id: random.uuid(), kind: SETTLE_REVERT, params, deadlineMs });
    }
    if (ending === 'restarted') {
      const { host, generation } = item.params;
      const params: RestoreParams = { host, generation, vmState: 'resized', running: true };
      context.follow({ ...same, id: random.uuid(), kind: 'restore-instance', params, deadlineMs: config.moveStepDeadlineMs });
    }
  }
}
