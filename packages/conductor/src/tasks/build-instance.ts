/**
 * One attempt to build a claimed instance on its host. When the host says that it failed, what may be left there becomes
 * its cleanup and the instance goes to the next alternate as a new attempt; when the host says nothing, that is the end,
 * since the instance might run there.
 */
import { SpawnOperation } from '@kilonova/objects';
import { finishEvents } from '../db/action-events.ts';
import { leaveBehind } from '../db/cleanups.ts';
import { moveHosts } from '../db/claims.ts';
import type { Transaction } from '../db/connection.ts';
import { changeInstances, lockInstances } from '../db/instance-changes.ts';
import { releaseUsage } from '../db/quota-usages.ts';
import { readDomainSpecs } from '../db/placement.ts';
import type { CreateParams } from './create-servers.ts';
import { type Batch, mayHaveDone, type ReportOutcome, type StepContext, Task, type TaskItem } from './engine/definition.ts';
import { type HostFailure, retriesExceeded } from './faults.ts';
import { deleteEnd, endInstances, failInstances } from './instance-endings.ts';
import { orderOf, say } from './orders.ts';
import type { TaskServices } from './services.ts';

export interface BuildParams {
  readonly host: string;
  readonly generation: number;
  /** Where it may go if this host fails it. */
  readonly alternates: readonly string[];
  /** 1 for the first host. */
  readonly attempt: number;
  /** Of the attempts before. */
  readonly failures: readonly HostFailure[];
}

export const BUILD_EVENT = 'compute__do_build_and_run_instance';

const eventOf = ({ instanceUuid, requestId, params }: TaskItem<BuildParams>) => ({
  instanceUuid: instanceUuid!,
  requestId,
  event: BUILD_EVENT,
  host: params.host,
});

export const buildInstance = new Task<BuildParams, TaskServices>('build-instance', 1)
  // The claim, in whose transaction this is, wrote that it begins; a step of version 1 all the same, so that numbers of steps stay.
  .local('begin', { run: async () => undefined })
  .cast('askSpawn', {
    to: ({ params }) => params.host,
    send: async (orders, services) => {
      const specs = await readDomainSpecs(
        services.knex,
        orders.map(({ item }) => item.instanceUuid!),
      );
      await say(orders, services, ({ item, ...order }, host) => {
        const spec = specs.get(item.instanceUuid!);
        // A row that went on meanwhile has another order under way.
        if (spec?.generation !== item.params.generation) return Promise.resolve();
        return host.spawn(Object.assign(orderOf(new SpawnOperation(), { item, ...order }), { spec }), { requestId: item.requestId });
      });
    },
    undo: (batch, trx, context) => leave(batch, trx, context),
  })
  .awaitReport('spawned', { deadlineMs: ({ config }) => config.buildDeadlineMs, onFailure: 'unwind' })
  .local('activate', { run: activate })
  .unwound(unwound);

async function activate(batch: Batch<BuildParams>, trx: Transaction, context: StepContext<TaskServices>): Promise<void> {
  const powerOf = ({ outputs }: TaskItem<BuildParams>) => ((outputs['spawned'] as ReportOutcome).power || 1) as 1;
  await changeInstances(
    trx,
    batch.map((item) => ({ uuid: item.instanceUuid!, vmState: 'active', taskState: null, powerState: powerOf(item), launched: true })),
  );
  await finishEvents(
    trx,
    batch.map((item) => ({ ...eventOf(item), failure: null })),
  );
  const touched = await moveHosts(
    trx,
    batch.map(({ params }) => ({ host: params.host, ioOps: -1, failedBuild: 0 })),
  );
  context.afterCommit(() => context.services.publisher.hostsTouched(touched));
}

/** What the spawn did or may still do is the host's to remove; its allocation stays until then. */
async function leave(batch: Batch<BuildParams>, trx: Transaction, context: StepContext<TaskServices>): Promise<void> {
  await leaveBehind(
    trx,
    batch.map(({ id, instanceUuid, requestId, params, failure }) => ({
      host: params.host,
      instanceUuid: instanceUuid!,
      generation: params.generation,
      requestId,
      undoes: `${id}/askSpawn`,
      reason: failure?.message ?? '',
    })),
  );
  context.afterCommit(() => context.services.cleaner.ring());
}

/** Deleted if that was asked for, else the next host, else ERROR with what every host said. */
async function unwound(batch: Batch<BuildParams>, trx: Transaction, context: StepContext<TaskServices>): Promise<void> {
  const { config, random, publisher, log } = context.services;
  const instances = await lockInstances(
    trx,
    batch.map(({ instanceUuid }) => instanceUuid!),
  );
  const asked = (item: TaskItem<BuildParams>) => item.cancel !== null;
  const failuresOf = ({ params, failure }: TaskItem<BuildParams>) => [
    ...params.failures,
    { host: params.host, message: failure?.message ?? 'unknown' },
  ];
  const goesOn = (item: TaskItem<BuildParams>) => !asked(item) && !mayHaveDone(item.failure) && item.params.attempt < config.maxAttempts;
  const ownOf = (item: TaskItem<BuildParams>) => instances.get(item.instanceUuid!);

  await finishEvents(
    trx,
    batch.map((item) => ({ ...eventOf(item), failure: { message: item.failure?.message ?? '' } })),
  );
  const ended = await endInstances(
    trx,
    batch
      .filter(asked)
      .map(ownOf)
      .filter((instance) => instance !== undefined),
  );
  context.atEnd(releaseUsage, ended);
  await finishEvents(
    trx,
    batch.filter(asked).map(({ instanceUuid, cancel }) => deleteEnd(instanceUuid!, cancel!.requestId)),
  );

  const left = batch.filter((item) => !asked(item) && ownOf(item)?.deletedAt === null);
  await changeInstances(
    trx,
    left.map(({ instanceUuid }) => ({ uuid: instanceUuid!, host: null, node: null, taskState: 'scheduling' })),
  );
  for (const item of left.filter(goesOn)) {
    const retry = { alternates: item.params.alternates, failures: failuresOf(item), attempt: item.params.attempt };
    const params: CreateParams = { instanceUuids: [item.instanceUuid!], retry };
    context.follow({
      id: random.uuid(),
      kind: 'create-servers',
      instanceUuid: null,
      requestId: item.requestId,
      params,
      deadlineMs: config.createDeadlineMs,
    });
    log.info(
      { instanceUuid: item.instanceUuid, host: item.params.host, attempt: item.params.attempt, reason: item.failure?.message },
      'build failed, trying another host',
    );
  }
  await failInstances(
    trx,
    left
      .filter((item) => !goesOn(item))
      .map((item) => ({
        instanceUuid: item.instanceUuid!,
        requestId: item.requestId,
        event: BUILD_EVENT,
        failure: retriesExceeded(item.instanceUuid!, failuresOf(item)),
      })),
  );
  const touched = await moveHosts(
    trx,
    batch.map((item) => ({ host: item.params.host, ioOps: -1, ...(!asked(item) && { failedBuild: 1 as const }) })),
  );
  context.afterCommit(() => publisher.hostsTouched(touched));
}
