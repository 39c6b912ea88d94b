/** How the two sides of a move are left: the destination when it came to nothing, the source when the guest is over there. */
import { finishEvents } from '../../db/action-events.ts';
import { moveHosts } from '../../db/claims.ts';
import { leaveBehind } from '../../db/cleanups.ts';
import type { Transaction } from '../../db/connection.ts';
import { changeMigrations } from '../../db/server-migrations.ts';
import type { StepContext } from '../engine/definition.ts';
import type { TaskServices } from '../services.ts';
import { offerPlaces } from './places.ts';
import { destinationOf, type MoveBatch, type MoveWords } from './move.ts';

/**
 * What the destination got, or may still get, is its to remove; its allocation stays until then.
 *
 * @param asked the step that asked it
 */
export async function leaveDestination(
  asked: string,
  batch: MoveBatch,
  trx: Transaction,
  { afterCommit, services }: StepContext<TaskServices>,
): Promise<void> {
  await leaveBehind(
    trx,
    batch.map((item) => ({
      ...{ host: destinationOf(item).host, generation: destinationOf(item).generation, instanceUuid: item.instanceUuid! },
      ...{ requestId: item.requestId, undoes: `${item.id}/${asked}`, reason: item.failure?.message ?? '' },
    })),
  );
  afterCommit(() => services.cleaner.ring());
}

/**
 * The owner has changed in this transaction: the migration and its last event end well.
 *
 * @param source why what the source holds must go now; null keeps it, until somebody confirms
 */
export async function endArrived(
  { live, statuses, events }: MoveWords,
  source: string | null,
  batch: MoveBatch,
  trx: Transaction,
  context: StepContext<TaskServices>,
): Promise<void> {
  const { afterCommit, services } = context;
  const { publisher, cleaner } = services;
  await changeMigrations(
    trx,
    batch.map(({ params }) => ({ uuid: params.migrationUuid, status: statuses.end })),
  );
  await finishEvents(
    trx,
    batch.map(({ instanceUuid, requestId }) => ({ instanceUuid: instanceUuid!, requestId, event: events.finish, failure: null })),
  );
  if (source !== null)
    await leaveBehind(
      trx,
      batch.map(({ instanceUuid, requestId, params: { host, generation } }) => ({
        ...{ host, generation, instanceUuid: instanceUuid!, requestId, undoes: null, reason: source },
      })),
    );
  const touched = await moveHosts(
    trx,
    batch.map((item) => ({ host: destinationOf(item).host, ioOps: -1 })),
  );
  if (live)
    offerPlaces(
      batch.map(({ params }) => params.host),
      context,
    );
  afterCommit(() => {
    publisher.hostsTouched(touched);
    if (source !== null) cleaner.ring();
  });
}
