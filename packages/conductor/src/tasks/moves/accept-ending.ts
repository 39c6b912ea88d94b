/** Accepts what ends a move: confirm and revert of one that waits for it, abort and completion of a live one that runs. */
import { failure } from '@kilonova/objects';
import { finishEvents } from '../../db/action-events.ts';
import { changeInstances } from '../../db/instance-changes.ts';
import { releaseUsage } from '../../db/quota-usages.ts';
import { changeMigrations, type MigrationRow, openMigration } from '../../db/server-migrations.ts';
import { type Begun, record, type Woken } from '../acceptance.ts';
import { settleOpen } from './accept-move.ts';
import { countAs } from './counting.ts';
import { liveWords } from './live-move.ts';
import { QUEUE_KIND } from './queue-live-move.ts';
import { REVERT_EVENT, type RevertParams } from './revert-resize.ts';

async function waiting({ trx, instance, live, rule }: Begun): Promise<MigrationRow> {
  if (live !== undefined)
    throw failure('ServerBusy', `Cannot '${rule.title}' instance ${instance.uuid} while another action on it is not finished`);
  const open = await openMigration(trx, instance.uuid);
  if (open?.status !== 'finished') throw failure('MigrationInvalid', 'Instance has not been resized.');
  return open;
}

/** Done by being accepted: what the source keeps becomes its cleanup. @throws MigrationInvalid, ServerBusy */
export async function confirmResize(begun: Begun): Promise<Woken> {
  const { trx, request, instance, rule } = begun;
  const { uuid, vmState, powerState } = instance;
  const { sourceHost } = await waiting(begun);
  await record(begun, 'confirmResize', [rule.event], sourceHost);
  if (vmState === 'resized') await changeInstances(trx, [{ uuid, vmState: powerState === 4 ? 'stopped' : 'active', taskState: null }]);
  await settleOpen(begun, 'confirmed');
  await finishEvents(trx, [{ instanceUuid: uuid, requestId: request.scope.requestId, event: rule.event, failure: null }]);
  await releaseUsage(trx, await countAs(trx, [{ instance, flavor: instance.flavor }]));
  return [];
}

/** @throws MigrationInvalid, ServerBusy */
export async function acceptRevert(begun: Begun): Promise<Woken> {
  const { services, trx, request, instance } = begun;
  const { uuid, host, generation, powerState } = instance;
  const migration = await waiting(begun);
  if (host === null) throw failure('ServerNotReady', `Instance ${uuid} is not ready`);
  await changeInstances(trx, [{ uuid, taskState: 'resize_reverting' }]);
  await changeMigrations(trx, [{ uuid: migration.uuid, status: 'reverting' }]);
  await record(begun, 'revertResize', [REVERT_EVENT], host);
  const { sourceHost, sourceNode, sourceGeneration, oldFlavor, oldVmState } = migration;
  const params: RevertParams = {
    ...{ host, generation, migrationUuid: migration.uuid, oldFlavor, vmState: oldVmState, running: powerState !== 4 },
    source: { host: sourceHost, node: sourceNode ?? sourceHost, generation: sourceGeneration },
  };
  const id = services.random.uuid();
  const { requestId } = request.scope;
  const deadlineMs = services.config.conductor.moveDeadlineMs;
  await services.engine.createTasks(trx, [{ id, kind: 'revert-resize', instanceUuid: uuid, requestId, params, deadlineMs }]);
  return [id];
}

const idText = (begun: Begun) => begun.request.options['id'] ?? '';

async function liveMigration(begun: Begun, method: string, statuses: readonly string[]): Promise<MigrationRow> {
  const { trx, instance } = begun;
  const open = await openMigration(trx, instance.uuid);
  if (open === undefined || open.type !== 'live-migration' || String(open.id) !== idText(begun))
    throw failure('MigrationNotFound', `Migration ${idText(begun)} not found for instance ${instance.uuid}`);
  if (!statuses.includes(open.status))
    throw failure(
      'MigrationInvalid',
      `Migration ${open.id} state of instance ${instance.uuid} is ${open.status}. Cannot ${method} while the migration is in this state.`,
    );
  return open;
}

/**
 * Before anything is sent the move is taken back at once; later the source is told to break off, and what it reports
 * decides. @throws MigrationNotFound, MigrationInvalid
 */
export async function abortMigration(begun: Begun): Promise<Woken> {
  const { services, trx, request, live } = begun;
  const early = request.options['early'] === 'true' ? ['queued', 'preparing'] : [];
  const migration = await liveMigration(begun, 'abort', ['running', ...early]);
  await noteAsked(begun, 'live_migration_cancel', migration);
  if (live?.kind !== liveWords.kind && live?.kind !== QUEUE_KIND) return [];
  if (migration.status === 'running') await changeMigrations(trx, [{ uuid: migration.uuid, abortRequested: true }]);
  else await services.engine.cancel(trx, live.id, { kind: 'abort', requestId: request.scope.requestId });
  return [live.id];
}

/** @throws MigrationNotFound, MigrationInvalid */
export async function forceCompletion(begun: Begun): Promise<Woken> {
  const { trx, live } = begun;
  const migration = await liveMigration(begun, 'force_complete', ['running']);
  await noteAsked(begun, 'live_migration_force_complete', migration);
  await changeMigrations(trx, [{ uuid: migration.uuid, completionRequested: true }]);
  return live === undefined ? [] : [live.id];
}

/** That it was asked for is all that these actions show; what came of it, the migration's do. */
async function noteAsked(begun: Begun, action: string, { sourceHost }: MigrationRow): Promise<void> {
  const { trx, request, instance, rule } = begun;
  await record(begun, action, [rule.event], sourceHost);
  await finishEvents(trx, [{ instanceUuid: instance.uuid, requestId: request.scope.requestId, event: rule.event, failure: null }]);
}
